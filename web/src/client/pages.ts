// Pages of a room's history: for somebody who looks, and to find what may not be sent again.
import { CLOCKS_MS, FIND_PAGES, LONG_PAGE } from "./bounds.js";
import type { Log } from "./log.js";
import type { MessageNew, Requests } from "./types.js";

export type Page = Requests["message:history"][1];
export type Range = Omit<Requests["message:history"][0], "room">;
export type Ask = (range: Range) => Promise<Page>;

/** What the log has from a time on, the newest pages first. */
export async function since(time: number, ask: Ask): Promise<MessageNew[]> {
  const found: MessageNew[] = [];
  for (let page = 0, before: number | undefined; page < FIND_PAGES; page++) {
    const { messages, more_before } = await ask({ limit: LONG_PAGE, before });
    found.push(...messages);
    const oldest = messages[0];
    if (!more_before || !oldest || oldest.ts < time - CLOCKS_MS) break;
    before = oldest.seq;
  }
  return found;
}

export interface Pages {
  before(limit?: number): Promise<void>;
  after(limit?: number): Promise<void>;
  latest(): Promise<void>;
  around(seq: number): Promise<void>;
}

/** The window's moves. `got` is told of every page, and how to apply it; without that it is of another log. */
export function pagesOf(log: Log, size: number, ask: Ask, got: (page: Page, apply: false | (() => void)) => void): Pages {
  const under = new Map<string, Promise<void>>();

  /** The same page is not asked for twice at once. */
  async function turn(key: string, range: Range, apply: (page: Page) => void): Promise<void> {
    const { epoch } = log;
    const asked = under.get(key) ?? ask(range).then((page) => {
      // After a reset nobody wants it any more.
      if (epoch === log.epoch) got(page, (page.epoch ?? null) === epoch && (() => apply(page)));
    }).finally(() => under.delete(key));
    under.set(key, asked);
    return asked;
  }
  const latest = async (): Promise<void> => (log.hasAfter ? turn("latest", { limit: size }, (page) => log.moved(page)) : undefined);

  return {
    async before(limit = size) {
      const first = log.window[0]?.seq;
      if (log.hasBefore && first !== undefined) await turn("before", { before: first, limit }, (page) => log.preceded(page, first));
    },
    async after(limit = size) {
      const last = log.window.at(-1)?.seq;
      if (!log.hasAfter || last === undefined) return latest();
      await turn("after", { after: last, limit }, (page) => log.followed(page, last));
    },
    latest,
    around: (seq) => turn(`around ${seq}`, { around: seq, limit: size }, (page) => log.moved(page)),
  };
}
