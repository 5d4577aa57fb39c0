// What one has of a room's log: the reading rule, and the window that is shown. No timers, no wire.
import { HELD } from "./bounds.js";
import type { Message, MessageNew, Requests, RoomSnapshot } from "./types.js";

type History = Requests["message:history"][1];
type Joined = Requests["room:join"][1];
type Cursor = NonNullable<Requests["room:join"][0]["since"]>;
export type ResetReason = NonNullable<RoomSnapshot["resetReason"]>;
/** `reset`: what one has is not this log's past, and has to be read anew. */
export type Verdict = "applied" | "known" | "held" | "reset";

export class Log {
  /** `null`: nobody has ever written here, as far as one knows. */
  epoch: string | null = null;
  /** Everything up to here is known: the cursor's number. */
  upto = 0;
  /** The last number the room is known to have. */
  head = 0;
  /** One stretch of the log without gaps; a new array whenever it changes. */
  window: readonly Message[] = [];
  /** One's own that are in the log, and that the cursor has not come to. */
  ahead: readonly Message[] = [];
  hasBefore = false;
  hasAfter = false;
  truncated = false;
  resetReason: ResetReason | undefined;
  /** Which mid stands at which number, for the last `keep` numbers read, in rising order. */
  #known = new Map<number, string>();
  /** What arrived before what precedes it. */
  #held = new Map<number, MessageNew>();

  constructor(
    readonly keep: number,
    /** Called once for each entry that the cursor passes, and for no page further back. */
    readonly passed: (entry: MessageNew) => void,
  ) {}

  get behind(): boolean {
    return this.head > this.upto;
  }

  cursor(): Cursor {
    return { epoch: this.epoch, seq: this.upto, mid: this.#known.get(this.upto) };
  }

  /** The reading rule of a live entry. */
  take(entry: MessageNew): Verdict {
    const { epoch, seq, mid } = entry;
    if (this.epoch === null && seq === 1 && this.upto === 0) this.epoch = epoch;
    if (this.epoch !== null && epoch !== this.epoch) return "reset";
    if (seq <= this.upto) return this.#had(seq, mid) ? "known" : "reset";
    this.hold(entry);
    if (seq === this.upto + 1) this.#release();
    this.head = Math.max(this.head, seq);
    return this.upto < seq ? "held" : "applied";
  }

  /** Keeps an entry for when a join or a page under way has been answered. */
  hold(entry: MessageNew): void {
    if (this.#held.size < HELD) this.#held.set(entry.seq, entry);
  }

  /** One's own stays in sight, also while what precedes it is not there. */
  sent(message: Message): void {
    this.ahead = [...this.ahead.filter(({ seq }) => seq! > this.upto), message];
  }

  /** Where the log ends, by a beacon or an ack. */
  sees(epoch: string, seq: number, mid?: string | null): Verdict {
    if (this.epoch !== null && epoch !== this.epoch) return "reset";
    if (seq <= this.upto) {
      const there = this.#known.get(seq);
      return mid && there && there !== mid ? "reset" : "known";
    }
    this.head = Math.max(this.head, seq);
    return "held";
  }

  /** The answer to a join; `resumed`: it was asked to go on from the cursor. */
  joined(page: Joined, resumed: boolean): void {
    if (!resumed || page.reset || page.truncated) {
      const before = page.messages[0] ? page.messages[0].seq > page.first : page.head >= page.first && page.head > 0;
      this.#anew(page, page.upto, before, page.truncated, page.reset ? (page.reason ?? "diverged") : undefined);
    } else {
      this.epoch ??= page.epoch ?? null;
      this.#show(this.#pass(page.messages));
      this.upto = Math.max(this.upto, page.upto);
    }
    this.head = Math.max(page.head, this.upto);
    this.#release();
  }

  /** The newest page in place of everything. */
  replaced(page: History, reason?: ResetReason): void {
    this.#anew(page, page.head, page.more_before, !reason, reason);
    this.head = page.head;
    this.#release();
  }

  /** What follows the cursor. The answer is authoritative: a number missing in it is no more. */
  filled(page: History): "applied" | "reset" {
    if (this.epoch !== null && page.epoch !== this.epoch) return "reset";
    this.epoch = page.epoch ?? null;
    if (page.first > this.upto + 1 && this.window.length > 0 && !this.hasAfter) {
      // What was missed is gone; the window may have no gap, so it begins anew.
      this.window = [];
      this.truncated = true;
    }
    this.#show(this.#pass(page.messages));
    if (!page.more_after) this.upto = Math.max(this.upto, page.head);
    this.head = Math.max(this.head, page.head);
    this.#release();
    return "applied";
  }

  /** A page of what precedes the window. */
  preceded(page: History, asked: number): void {
    if (this.window[0]?.seq !== asked) return;
    const all = [...page.messages.filter((entry) => entry.seq < asked).map(shown), ...this.window];
    this.window = all.slice(0, this.keep);
    this.hasBefore = page.more_before;
    this.hasAfter ||= all.length > this.keep;
  }

  /** A page of what follows a window that is not at the end. */
  followed(page: History, asked: number): void {
    if (!this.hasAfter || this.window.at(-1)?.seq !== asked) return;
    const all = [...this.window, ...this.#upToCursor(page).filter((message) => message.seq! > asked)];
    this.window = all.slice(-this.keep);
    this.hasBefore ||= all.length > this.keep;
    this.hasAfter = !this.#reaches(page);
  }

  /** Another window of the same log; the cursor stays where it is. */
  moved(page: History): void {
    this.window = this.#upToCursor(page);
    this.hasBefore = page.more_before;
    this.hasAfter = !this.#reaches(page);
    this.truncated = false;
    this.resetReason = undefined;
    this.head = Math.max(this.head, page.head);
  }

  /** What lies after the cursor comes by the cursor, or it would be there twice. */
  #upToCursor(page: History): Message[] {
    return page.messages.filter((entry) => entry.seq <= this.upto).map(shown);
  }

  #reaches(page: History): boolean {
    return (page.more_after ? (page.messages.at(-1)?.seq ?? 0) : page.head) >= this.upto;
  }

  #had(seq: number, mid: string): boolean {
    const [oldest] = this.#known.keys();
    // Further back than one remembers nothing can be told apart.
    return oldest === undefined || seq < oldest || this.#known.get(seq) === mid;
  }

  #anew({ epoch, messages }: History | Joined, upto: number, hasBefore: boolean, truncated: boolean, reason?: ResetReason): void {
    this.epoch = epoch ?? null;
    this.upto = 0;
    this.window = [];
    // What was said in a log that is no more is not in this one.
    if (reason) this.ahead = [];
    this.#known.clear();
    this.hasAfter = false;
    this.hasBefore = hasBefore;
    this.truncated = truncated;
    this.resetReason = reason;
    this.#show(this.#pass(messages));
    this.upto = upto;
  }

  /** Moves the cursor over entries in rising order; gives the new ones. */
  #pass(entries: readonly MessageNew[]): MessageNew[] {
    const fresh = entries.filter((entry) => entry.seq > this.upto);
    for (const entry of fresh) {
      this.upto = entry.seq;
      this.#known.set(entry.seq, entry.mid);
      this.passed(entry);
    }
    for (const seq of this.#known.keys()) {
      if (this.#known.size <= this.keep) break;
      this.#known.delete(seq);
    }
    this.head = Math.max(this.head, this.upto);
    return fresh;
  }

  #show(entries: readonly MessageNew[]): void {
    if (this.hasAfter || entries.length === 0) return;
    const all = [...this.window, ...entries.map(shown)];
    this.hasBefore ||= all.length > this.keep;
    this.window = all.slice(-this.keep);
  }

  /** Lets go of what is held and now fits, and of what the cursor has passed. */
  #release(): void {
    const fits: MessageNew[] = [];
    let next = this.upto + 1;
    for (let entry = this.#held.get(next); entry?.epoch === this.epoch; entry = this.#held.get(++next)) fits.push(entry!);
    this.#show(this.#pass(fits));
    for (const [seq, entry] of this.#held) {
      if (seq <= this.upto || entry.epoch !== this.epoch) this.#held.delete(seq);
      else this.head = Math.max(this.head, seq);
    }
  }
}

export function shown({ room: _, epoch: __, ...entry }: MessageNew): Message {
  return { ...entry, state: "sent" };
}
