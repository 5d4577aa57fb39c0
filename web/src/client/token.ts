// Asks for a token whoever gives them: an answer in time, or one coded failure.
import { TOKEN_MS } from "./bounds.js";
import type { Env } from "./env.js";
import { HubbubError } from "./errors.js";
import type { ClientOptions } from "./types.js";

export type Giver = Extract<ClientOptions["token"], Function>;

export function askFor(giver: Giver, env: Env): Promise<string | undefined> {
  return new Promise((settle, fail) => {
    const failed = (why: unknown) => fail(new HubbubError({ code: "token_failed", message: String(why), retryable: true, outcome: "none" }));
    const late = env.after(TOKEN_MS, () => failed("no answer"));
    // Whatever it throws is caught here, before it answers or after.
    new Promise<string | undefined>((given) => given(giver())).then(settle, failed).finally(late);
  });
}
