// What one said in a room and the server has not yet confirmed: in order, one on its way at a time.
import { KNOWN_MS } from "./bounds.js";
import { backoff, type Env } from "./env.js";
import { type HubbubError, ours, plain } from "./errors.js";
import { shown } from "./log.js";
import { madeAt, newMid } from "./mid.js";
import type { Failure, Message, MessageNew, MessageSendAck, OutboxEntry, OutboxStore, User } from "./types.js";

/** What an outbox needs of its room. */
export interface Way {
  /** Who one is now. */
  me(): User | undefined;
  /** What time it is on the server. */
  now(): number;
  send(entry: OutboxEntry): Promise<MessageSendAck>;
  /** It is in the log, at this number of this epoch. */
  sent(message: Message, epoch: string): void;
  /** What the log has from this time on, for what may not be sent again. */
  find(since: number): Promise<readonly MessageNew[]>;
  /** The server does not know that one is in the room, or as what. */
  rejoin(): void;
  changed(): void;
}

export interface Outbox {
  /** Something waits to be sent. */
  busy(): boolean;
  rows(): readonly Message[];
  add(text: string): string;
  /** Takes over what an earlier page left. */
  adopt(entry: OutboxEntry): void;
  retry(mid: string): string;
  /** Takes an entry out, and gives its text: nobody wants it sent any more, or it is in the log. */
  discard(mid: string): string | undefined;
  /** The room is live: go on at once. */
  open(): void;
  /** Goes on now instead of waiting. */
  hurry(): void;
  shut(): void;
  /** The room will not have one, so nothing can be sent there. */
  refuse(error: Failure): void;
}

/** Refusals of the `mid` rather than of the message: it may be in the log, and another try needs another mid. */
const SPENT: readonly string[] = ["idempotency_conflict", "expired", "session_replaced"];
/** Refusals of whoever speaks: what one is in the room is another than one knew. */
const SILENCED: readonly string[] = ["forbidden", "muted"];

export function openOutbox(room: string, store: OutboxStore | undefined, env: Env, way: Way): Outbox {
  let entries: OutboxEntry[] = [];
  let rows: readonly Message[] | undefined;
  let isOpen = false;
  let flight: OutboxEntry | undefined;
  let tries = 0;
  let stopWaiting: (() => void) | undefined;

  /** Now, but after the one before: two in the same millisecond keep their order over a reload. */
  const at = (): number => Math.max(env.now(), (entries.at(-1)?.at ?? 0) + 1);
  const find = (mid: string): OutboxEntry | undefined => entries.find((entry) => entry.mid === mid);
  const gone = (entry: OutboxEntry): boolean => flight !== entry;
  const isNext = (entry: OutboxEntry): boolean => entry.state === "sending";

  function tell(): void {
    rows = undefined;
    way.changed();
  }

  /** Settles also when nothing could be kept: a full disk is no reason not to send. */
  async function keep(entry: OutboxEntry): Promise<void> {
    tell();
    await store?.put({ ...entry }).catch(() => {});
  }

  function drop(entry: OutboxEntry): void {
    entries = entries.filter((one) => one !== entry);
    void store?.delete(entry.mid).catch(() => {});
    tell();
  }

  function discard(mid: string): string | undefined {
    const entry = find(mid);
    if (!entry) return undefined;
    drop(entry);
    if (flight === entry) landed();
    return entry.text;
  }

  // === One at a time

  function pump(): void {
    if (!isOpen || flight || stopWaiting) return;
    flight = entries.find(isNext);
    if (flight) void fly(flight);
  }

  async function fly(entry: OutboxEntry): Promise<void> {
    try {
      const why = doubt(entry);
      if (why) throw ours(why);
      const me = way.me();
      if (!entry.by && me) {
        entry.by = me.id;
        await keep(entry);
        if (gone(entry)) return;
      }
      const { epoch, seq, ts } = await way.send(entry);
      if (gone(entry)) return;
      const { mid, text } = entry;
      if (me) way.sent({ mid, seq, ts, user: me, text, state: "sent" }, epoch);
      discard(mid);
    } catch (error) {
      if (!gone(entry)) await stumble(entry, error as HubbubError);
    }
  }

  /** Why an entry may not simply be sent: the server might not know it again. */
  function doubt({ mid, by }: OutboxEntry): "session_replaced" | "expired" | undefined {
    if (by && by !== way.me()?.id) return "session_replaced";
    return way.now() - madeAt(mid) > KNOWN_MS ? "expired" : undefined;
  }

  async function stumble(entry: OutboxEntry, error: HubbubError): Promise<void> {
    const { code } = error;
    if (SPENT.includes(code)) {
      try {
        await lookUp(entry, error);
      } catch (unread) {
        // Not knowing is no reason to call it failed.
        if (!gone(entry)) await stumble(entry, unread as HubbubError);
      }
      return;
    }
    if (code === "not_member" || error.retryable) {
      entry.error = plain(error);
      tell();
      wait(error);
      if (code === "not_member") way.rejoin();
      return;
    }
    fail(entry, plain(error));
    if (SILENCED.includes(code)) way.rejoin();
    landed();
  }

  /** All in doubt are decided by one look: this one is the oldest of them. */
  async function lookUp(entry: OutboxEntry, error: HubbubError): Promise<void> {
    const log = await way.find(madeAt(entry.mid));
    if (gone(entry)) return;
    for (const one of entries.filter((each) => each === entry || (isNext(each) && doubt(each)))) {
      const there = log.find(({ mid, text }) => mid === one.mid && text === one.text);
      if (there) {
        way.sent(shown(there), there.epoch);
        drop(one);
      } else fail(one, plain(one === entry ? error : ours(doubt(one)!)));
    }
    landed();
  }

  function fail(entry: OutboxEntry, error: Failure): void {
    entry.state = "failed";
    entry.error = error;
    void keep(entry);
  }

  function wait({ retryAfterMs }: HubbubError): void {
    flight = undefined;
    stopWaiting = env.after(backoff(env, tries++, retryAfterMs), hurry);
  }

  function landed(): void {
    flight = undefined;
    tries = 0;
    pump();
  }

  function stop(): void {
    stopWaiting?.();
    stopWaiting = undefined;
  }

  function hurry(): void {
    stop();
    pump();
  }

  function shut(): void {
    isOpen = false;
    flight = undefined;
    stop();
  }

  return {
    busy: () => entries.some(isNext),
    rows: () =>
      (rows ??= entries.map(({ mid, text, state, error, by }) => ({ mid, user: way.me() ?? { id: by ?? "" }, text, state, error }))),
    add(text) {
      const entry: OutboxEntry = { mid: newMid(way.now()), room, text, at: at(), state: "sending" };
      entries.push(entry);
      void keep(entry);
      pump();
      return entry.mid;
    },
    adopt(entry) {
      if (find(entry.mid)) return;
      entries.push(entry);
      entries.sort((a, b) => a.at - b.at);
      tell();
      pump();
    },
    retry(mid) {
      const entry = find(mid);
      if (!entry) return mid;
      if (isNext(entry)) {
        hurry();
        return mid;
      }
      drop(entry);
      const { error, ...again } = { ...entry, state: "sending" as const, at: at() };
      if (SPENT.includes(error?.code ?? "") || doubt(again)) {
        again.mid = newMid(way.now());
        delete again.by;
      }
      entries.push(again);
      void keep(again);
      pump();
      return again.mid;
    },
    discard,
    open() {
      isOpen = true;
      rows = undefined;
      pump();
    },
    hurry,
    shut,
    refuse(error) {
      shut();
      entries.filter(isNext).forEach((entry) => fail(entry, error));
    },
  };
}
