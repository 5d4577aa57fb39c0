// Refusals and failures: one class to catch, and the same as plain data to keep.
import type { ErrorNotice, Failure } from "./types.js";

/** Why a request came to nothing. */
export class HubbubError extends Error implements Failure {
  declare readonly code: Failure["code"];
  declare readonly retryable: boolean;
  declare readonly retryAfterMs?: number;
  declare readonly field?: string;
  declare readonly outcome?: "none" | "unknown";

  constructor(failure: Failure) {
    super(failure.message);
    Object.assign(this, failure, { name: "HubbubError" });
  }
}

/** One of our own: a connection that is missing or lost, an answer that is, a message that may not be sent again. */
export function ours(code: "timeout" | "disconnected" | "closed" | "session_replaced" | "expired", outcome: "none" | "unknown" = "unknown"): HubbubError {
  return new HubbubError({ code, message: code, retryable: code === "timeout" || code === "disconnected", outcome });
}

/** A refusal off the wire. */
export function refusal({ retry_after_ms, ...error }: ErrorNotice): Failure {
  return (retry_after_ms == null ? error : { ...error, retryAfterMs: retry_after_ms }) as Failure;
}

/** An error as plain data. */
export function plain(error: unknown): Failure {
  return { ...(error as HubbubError), message: (error as Error).message };
}
