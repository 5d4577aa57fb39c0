// Who is in a room: loaded once, then kept by what the server tells.
import { LONG_PAGE, PEOPLE_PAGES } from "./bounds.js";
import type { Connection } from "./connection.js";
import type { PresenceChanged, User } from "./types.js";

export interface People {
  /** By name; nothing as long as nobody asked. */
  list(): readonly User[] | undefined;
  /** From now on it is kept; `true`: it was not before. */
  watch(): boolean;
  load(): Promise<void>;
  told(change: PresenceChanged): void;
}

export function peopleIn(room: string, connection: Connection, changed: () => void): People {
  let list: User[] | undefined;
  let wanted = false;
  /** What was told while a list was being read; it wins over the list. */
  let later: PresenceChanged[] | undefined;

  function apply({ joined, left, changed: renamed }: PresenceChanged): void {
    const come = [...joined, ...renamed];
    const gone = new Set([...left, ...come].map((user) => user.id));
    list &&= sorted([...list.filter((user) => !gone.has(user.id)), ...come]);
  }

  return {
    list: () => list,
    watch: () => wanted !== (wanted = true),
    async load() {
      if (!wanted) return;
      const mine: PresenceChanged[] = (later = []);
      const all: User[] = [];
      try {
        let cursor: string | null | undefined;
        for (let page = 0; page < PEOPLE_PAGES; page++) {
          const answer = await connection.ask("room:members", { room, limit: LONG_PAGE, cursor });
          // A later load has begun.
          if (mine !== later) return;
          all.push(...answer.members);
          cursor = answer.cursor;
          if (!cursor) break;
        }
        list = sorted(all);
        mine.forEach(apply);
        later = undefined;
        changed();
      } catch {
        // The next join loads it again; until then the last list is the best one there is.
      }
    },
    told(change) {
      later?.push(change);
      apply(change);
    },
  };
}

function sorted(users: User[]): User[] {
  return users.sort((a, b) => (a.name ?? "").localeCompare(b.name ?? "") || (a.id < b.id ? -1 : 1));
}
