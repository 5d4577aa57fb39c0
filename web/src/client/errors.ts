// Refusals and failures: one class to catch, and the same as plain data to keep.
import type { ErrorNotice, Failure } from "./types.js";

/** Why a request came to nothing. */
export class HubbubError extends Error implements Failure {
  override readonly name = "HubbubError";
  readonly code: Failure["code"];
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  readonly field?: string;
  readonly outcome?: "none" | "unknown";

  constructor(failure: Failure) {
    super(failure.message);
    this.code = failure.code;
    this.retryable = failure.retryable;
    Object.assign(this, failure);
  }
}

/** Our own codes and what they say. */
const OURS = {
  timeout: ["no answer in time", true, "unknown"],
  disconnected: ["there is no connection", true, "unknown"],
  offline: ["there is no connection", true, "none"],
  closed: ["this client is closed", false, "none"],
  session_replaced: ["written as a guest the server no longer knows", false, "unknown"],
} as const;

export function ours(what: keyof typeof OURS): HubbubError {
  const [message, retryable, outcome] = OURS[what];
  return new HubbubError({ code: what === "offline" ? "disconnected" : what, message, retryable, outcome });
}

/** A refusal off the wire. */
export function refusal(error: ErrorNotice): Failure {
  const { code, message, retryable, retry_after_ms, field, outcome } = error;
  return {
    code,
    message,
    retryable,
    ...(retry_after_ms != null && { retryAfterMs: retry_after_ms }),
    ...(field != null && { field }),
    ...(outcome != null && { outcome }),
  };
}

/** An error as plain data. */
export function plain(error: unknown): Failure {
  if (!(error instanceof HubbubError)) return { code: "internal", message: String(error), retryable: false };
  const { name: _, stack: __, ...failure } = { ...error, message: error.message };
  return failure;
}
