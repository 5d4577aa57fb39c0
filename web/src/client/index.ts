// @hubbub/client: what may be imported from it.
import { io } from "socket.io-client";

import { openClient } from "./client.js";
import type { Opener } from "./connection.js";
import { realEnv } from "./env.js";
import type { Client, ClientOptions } from "./types.js";

export { HubbubError } from "./errors.js";
export type * from "./types.js";

/** Connects at once; `url` is the server's origin, and the page's own where it is left out. */
export function createClient(url = "", options: ClientOptions = {}): Client {
  return openClient(url, options, io as unknown as Opener, realEnv);
}
