// What one said in a room and the server has not yet confirmed: in order, one on its way at a time.
import { backoff, type Env } from "./env.js";
import { type HubbubError, ours, plain } from "./errors.js";
import { newMid } from "./mid.js";
import type { Failure, Message, MessageSendAck, OutboxEntry, OutboxStore, User } from "./types.js";

/** What an outbox needs of its room. */
export interface Way {
  /** Who one is now. */
  me(): User | undefined;
  send(entry: OutboxEntry): Promise<MessageSendAck>;
  acked(entry: OutboxEntry, ack: MessageSendAck): void;
  /** Whether the log has it, for what may not be sent again. */
  find(entry: OutboxEntry): Promise<boolean>;
  /** The server does not know that one is in the room. */
  rejoin(): void;
  changed(): void;
}

/** Refusals of the `mid` rather than of the message: another try needs another. */
const SPENT: readonly string[] = ["idempotency_conflict", "expired", "session_replaced"];

export class Outbox {
  #entries: OutboxEntry[] = [];
  #rows: readonly Message[] | undefined;
  #open = false;
  #flight: OutboxEntry | undefined;
  #tries = 0;
  #stopWaiting: (() => void) | undefined;

  constructor(
    readonly room: string,
    readonly store: OutboxStore,
    readonly env: Env,
    readonly way: Way,
  ) {}

  /** Something waits to be sent. */
  get busy(): boolean {
    return this.#entries.some((entry) => entry.state === "sending");
  }

  rows(): readonly Message[] {
    return (this.#rows ??= this.#entries.map(({ mid, text, state, error, by }) => {
      const user = this.way.me() ?? { id: by ?? "" };
      return { mid, user, text, state, error };
    }));
  }

  add(text: string): string {
    const entry: OutboxEntry = { mid: newMid(this.env.now()), room: this.room, text, at: this.#at(), state: "sending" };
    this.#entries.push(entry);
    void this.#keep(entry);
    this.#pump();
    return entry.mid;
  }

  /** Takes over what an earlier page left. */
  adopt(entry: OutboxEntry): void {
    if (this.#find(entry.mid)) return;
    this.#entries.push(entry);
    this.#entries.sort((a, b) => a.at - b.at);
    this.#tell();
    this.#pump();
  }

  retry(mid: string): string {
    const entry = this.#find(mid);
    if (!entry) return mid;
    if (entry.state === "sending") {
      this.#stop();
      this.#pump();
      return mid;
    }
    this.#drop(entry);
    const again: OutboxEntry = { ...entry, state: "sending", at: this.#at() };
    delete again.error;
    if (SPENT.includes(entry.error?.code ?? "")) {
      again.mid = newMid(this.env.now());
      delete again.by;
    }
    this.#entries.push(again);
    void this.#keep(again);
    this.#pump();
    return again.mid;
  }

  discard(mid: string): string | undefined {
    const entry = this.#find(mid);
    if (entry) this.settle(mid);
    return entry?.text;
  }

  /** It is in the log, by an ack, an echo or a page. */
  settle(mid: string): void {
    const entry = this.#find(mid);
    if (!entry) return;
    this.#drop(entry);
    if (this.#flight === entry) this.#landed();
  }

  /** The room is live: go on at once. */
  open(): void {
    this.#open = true;
    this.#rows = undefined;
    this.#pump();
  }

  shut(): void {
    this.#open = false;
    this.#flight = undefined;
    this.#stop();
  }

  /** The room will not have one, so nothing can be sent there. */
  refuse(error: Failure): void {
    this.shut();
    for (const entry of this.#entries.filter((one) => one.state === "sending")) this.#fail(entry, error);
  }

  /** Now, but after the one before: two in the same millisecond keep their order over a reload. */
  #at(): number {
    return Math.max(this.env.now(), (this.#entries.at(-1)?.at ?? 0) + 1);
  }

  #pump(): void {
    if (!this.#open || this.#flight || this.#stopWaiting) return;
    const entry = this.#entries.find((one) => one.state === "sending");
    if (!entry) return;
    this.#flight = entry;
    void this.#fly(entry);
  }

  async #fly(entry: OutboxEntry): Promise<void> {
    const me = this.way.me()?.id;
    const gone = (): boolean => this.#flight !== entry;
    try {
      // Under another user the server would take the same `mid` for a new message.
      if (entry.by !== undefined && entry.by !== me) throw ours("session_replaced");
      if (entry.by === undefined && me !== undefined) {
        entry.by = me;
        await this.#keep(entry);
        if (gone()) return;
      }
      const ack = await this.way.send(entry);
      if (gone()) return;
      this.way.acked(entry, ack);
      this.settle(entry.mid);
    } catch (error) {
      if (!gone()) await this.#stumble(entry, error as HubbubError, gone);
    }
  }

  async #stumble(entry: OutboxEntry, error: HubbubError, gone: () => boolean): Promise<void> {
    const { code } = error;
    if (code === "disconnected" || code === "closed") return this.shut();
    if (code === "not_member") {
      this.#wait(error);
      return this.way.rejoin();
    }
    if (error.retryable && code !== "session_replaced") {
      entry.error = plain(error);
      this.#tell();
      return this.#wait(error);
    }
    if (code === "expired" || code === "session_replaced") {
      try {
        const found = await this.way.find(entry);
        if (gone()) return;
        if (found) return this.settle(entry.mid);
      } catch (unread) {
        // Not knowing is no reason to call it failed.
        if (!gone()) this.#wait(unread);
        return;
      }
    }
    this.#fail(entry, plain(error));
    this.#landed();
  }

  #fail(entry: OutboxEntry, error: Failure): void {
    entry.state = "failed";
    entry.error = error;
    void this.#keep(entry);
  }

  #wait(error: unknown): void {
    const told = (error as HubbubError).retryAfterMs;
    this.#flight = undefined;
    this.#stopWaiting = this.env.after(told ?? backoff(this.env, this.#tries++), () => {
      this.#stopWaiting = undefined;
      this.#pump();
    });
  }

  #landed(): void {
    this.#flight = undefined;
    this.#tries = 0;
    this.#pump();
  }

  #stop(): void {
    this.#stopWaiting?.();
    this.#stopWaiting = undefined;
  }

  #find(mid: string): OutboxEntry | undefined {
    return this.#entries.find((entry) => entry.mid === mid);
  }

  #drop(entry: OutboxEntry): void {
    this.#entries = this.#entries.filter((one) => one !== entry);
    void this.store.delete(entry.mid).catch(() => {});
    this.#tell();
  }

  /** Settles also when nothing could be kept: a full disk is no reason not to send. */
  #keep(entry: OutboxEntry): Promise<void> {
    this.#tell();
    return this.store.put({ ...entry }).catch(() => {});
  }

  #tell(): void {
    this.#rows = undefined;
    this.way.changed();
  }
}
