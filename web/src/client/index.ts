// @hubbub/client: what may be imported from it.
import type { Client, ClientOptions, Failure } from "./types.js";

export type * from "./types.js";

/** Why a request came to nothing. */
export declare class HubbubError extends Error implements Failure {
  readonly code: Failure["code"];
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  readonly field?: string;
  readonly outcome?: "none" | "unknown";
}

/** Connects at once; `url` is the server's origin, and the page's own where it is left out. */
export function createClient(_url?: string, _options?: ClientOptions): Client {
  throw new Error("being written");
}
