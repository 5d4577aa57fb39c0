// Who is in a room: loaded once, then kept by what the server tells.
import type { Connection } from "./connection.js";
import type { PresenceChanged, User } from "./types.js";

const PAGE = 200;
/** Nobody reads a longer list; `count` is right whatever is loaded. */
const MOST_PAGES = 10;

export class People {
  list: readonly User[] | undefined;
  wanted = false;
  /** What was told while a list was being read; it wins over the list. */
  #told: PresenceChanged[] = [];

  constructor(
    readonly room: string,
    readonly connection: Connection,
    readonly changed: () => void,
  ) {}

  async load(): Promise<void> {
    if (!this.wanted) return;
    const told: PresenceChanged[] = (this.#told = []);
    const all: User[] = [];
    try {
      let cursor: string | null | undefined;
      for (let page = 0; page < MOST_PAGES; page++) {
        const answer = await this.connection.ask("room:members", { room: this.room, limit: PAGE, cursor });
        // A later load has begun.
        if (told !== this.#told) return;
        all.push(...answer.members);
        cursor = answer.cursor;
        if (!cursor) break;
      }
      this.list = sorted(all);
      told.forEach((change) => this.#apply(change));
      told.length = 0;
      this.changed();
    } catch {
      // The next join loads it again; until then the last list is the best one there is.
    }
  }

  told(change: PresenceChanged): void {
    this.#told.push(change);
    this.#apply(change);
  }

  #apply({ joined, left, changed }: PresenceChanged): void {
    if (!this.list) return;
    const gone = new Set([...left, ...joined, ...changed].map((user) => user.id));
    this.list = sorted([...this.list.filter((user) => !gone.has(user.id)), ...joined, ...changed]);
  }
}

function sorted(users: User[]): User[] {
  return users.sort((a, b) => (a.name ?? "").localeCompare(b.name ?? "") || (a.id < b.id ? -1 : 1));
}
