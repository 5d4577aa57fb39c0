// Who types in a room, and saying that one does.
import { TYPING_MS } from "./bounds.js";
import type { Connection } from "./connection.js";
import type { Env } from "./env.js";
import type { Typing, User } from "./types.js";

export interface TypingIn {
  others(): { typing: readonly User[]; typingMore: number };
  /** Nothing: one hears no more of it. */
  heard(who?: Typing): void;
  start(): void;
  stop(): void;
  /** A message ends it, and so does being away. */
  over(): void;
}

export function typingIn(room: string, connection: Connection, env: Env): TypingIn {
  let all: Typing | undefined;
  let said = -Infinity;
  const over = (): void => void (said = -Infinity);
  return {
    others: () => ({ typing: all?.users.filter(({ id }) => id !== connection.me()?.id) ?? [], typingMore: all?.more ?? 0 }),
    heard: (who) => void (all = who),
    start() {
      if (env.now() - said < TYPING_MS) return;
      said = env.now();
      connection.tell("typing:start", { room });
    },
    stop() {
      if (said > 0) connection.tell("typing:stop", { room });
      over();
    },
    over,
  };
}
