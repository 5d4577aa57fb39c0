// A room as a live object: joins, reads on, repairs what is missing, and sends. One request at a time.
import type { Connection } from "./connection.js";
import { backoff, between, type Env } from "./env.js";
import { type HubbubError, plain } from "./errors.js";
import { Log, shown, type ResetReason, type Verdict } from "./log.js";
import { Outbox } from "./outbox.js";
import { People } from "./people.js";
import { Subject } from "./subject.js";
import type { Message, MessageNew, MessageSendAck, OutboxEntry, OutboxStore, PresenceChanged, Requests, Room, RoomHead, RoomReset, RoomSnapshot, RoomStatus, ServerEvents, Typing } from "./types.js";

type History = Requests["message:history"];

/** Pages that nobody looks at while they load are as long as they may be. */
const REPAIR_PAGE = 200;
/** Typing is forgotten by the server after six seconds. */
const TYPING_EVERY_MS = 3_000;
/** One's own echo follows the ack; only if it does not is there something to repair. */
const ECHO_MS = 1_000;
/** Where a message is looked for that may not be sent again, and how far clocks may differ. */
const FIND_PAGES = 5;
const CLOCKS_DIFFER_MS = 300_000;
/** Repairs in a row that brought nothing before everything is read anew. */
const FRUITLESS = 3;

export class LiveRoom extends Subject<RoomSnapshot> implements Room {
  readonly #log: Log;
  readonly #outbox: Outbox;
  readonly #people: People;
  #members = 0;
  #wanted = false;
  #joined = false;
  #everJoined = false;
  #denied = false;
  /** Set while the newest page has to replace what there is. */
  #anew: { reason?: ResetReason } | undefined;
  /** Which connection, and which joining on it, an answer belongs to. */
  #turn = 0;
  #working = false;
  #repair: { at: number; cancel: () => void } | undefined;
  #error: RoomSnapshot["error"];
  #acked: Message[] = [];
  #typing: Typing | undefined;
  #typedAt = -Infinity;
  #read = 0;
  #unread = 0;
  #count = 0;
  #paging = new Map<string, Promise<void>>();

  constructor(
    readonly name: string,
    readonly connection: Connection,
    readonly env: Env,
    readonly sizes: { page: number; keep: number },
    store: OutboxStore,
  ) {
    super();
    const told = (): void => this.changed();
    this.#people = new People(name, connection, told);
    this.#log = new Log(sizes.keep, (entry) => this.#passed(entry));
    this.#outbox = new Outbox(name, store, env, {
      me: () => connection.me,
      send: ({ mid, text }) => connection.ask("message:send", { room: name, mid, text }),
      acked: (entry, ack) => this.#confirmed(entry, ack),
      find: (entry) => this.#find(entry),
      rejoin: () => this.#again(),
      changed: () => this.#moved(),
    });
  }

  // === What is shown

  protected build(last: RoomSnapshot | undefined): RoomSnapshot {
    const log = this.#log;
    this.#acked = this.#acked.filter((message) => message.seq! > log.upto);
    const pending = this.#outbox.rows();
    const me = this.connection.me?.id;
    const typing = this.#typing?.users.filter((user) => user.id !== me) ?? [];
    const ends = log.hasAfter ? [] : [...this.#acked, ...pending];
    return {
      status: this.#status(),
      messages: kept(last?.messages, ends.length > 0 ? [...log.window, ...ends] : log.window),
      pending,
      head: log.head,
      read: this.#read,
      unread: this.#unread,
      count: this.#count,
      people: this.#people.list,
      typing,
      typingMore: this.#typing?.more ?? 0,
      hasBefore: log.hasBefore,
      hasAfter: log.hasAfter,
      truncated: log.truncated,
      resetReason: log.resetReason,
      error: this.#error,
    };
  }

  #status(): RoomStatus {
    if (this.#denied) return "denied";
    if (!this.#wanted) return this.#everJoined ? "left" : "offline";
    if (!this.connection.ready) return "offline";
    if (!this.#joined) return "joining";
    return this.#working ? "repairing" : "live";
  }

  // === What one does

  readonly join = (): (() => void) => {
    this.#members++;
    this.#denied = false;
    this.#want();
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#members--;
      // A page that renders twice leaves and joins in one go: that is no leaving.
      this.env.after(0, () => this.#want());
    };
  };

  send(text: string): string {
    this.#typedAt = -Infinity;
    const mid = this.#outbox.add(text);
    this.#want();
    return mid;
  }

  retry(mid: string): string {
    const again = this.#outbox.retry(mid);
    this.#want();
    return again;
  }

  discard(mid: string): string | undefined {
    return this.#outbox.discard(mid);
  }

  adopt(entry: OutboxEntry): void {
    this.#outbox.adopt(entry);
    this.#want();
  }

  before(limit = this.sizes.page): Promise<void> {
    const asked = this.#log.window[0]?.seq;
    if (!this.#log.hasBefore || asked === undefined) return Promise.resolve();
    return this.#page("before", { before: asked, limit }, (page) => this.#log.preceded(page, asked));
  }

  after(limit = this.sizes.page): Promise<void> {
    const asked = this.#log.window.at(-1)?.seq;
    if (!this.#log.hasAfter || asked === undefined) return this.latest();
    return this.#page("after", { after: asked, limit }, (page) => this.#log.followed(page, asked));
  }

  latest(): Promise<void> {
    if (!this.#log.hasAfter) return Promise.resolve();
    return this.#page("latest", { limit: this.sizes.page }, (page) => this.#log.moved(page));
  }

  around(seq: number): Promise<void> {
    return this.#page(`around ${seq}`, { around: seq, limit: this.sizes.page }, (page) => this.#log.moved(page));
  }

  typing(): void {
    if (!this.#joined || this.env.now() - this.#typedAt < TYPING_EVERY_MS) return;
    this.#typedAt = this.env.now();
    this.connection.tell("typing:start", { room: this.name });
  }

  stopTyping(): void {
    if (this.#joined && this.#typedAt > -Infinity) this.connection.tell("typing:stop", { room: this.name });
    this.#typedAt = -Infinity;
  }

  markRead(): void {
    if (this.#read === this.#log.upto && this.#unread === 0) return;
    this.#read = this.#log.upto;
    this.#unread = 0;
    this.changed();
  }

  watchPeople(): void {
    if (this.#people.wanted) return;
    this.#people.wanted = true;
    if (this.#joined) void this.#people.load();
  }

  // === What the connection tells

  connected(): void {
    this.#denied = false;
    this.#turn++;
    this.changed();
    this.#work();
  }

  lost(): void {
    this.#forget();
    this.changed();
  }

  /** An event of this room. */
  heard(event: keyof ServerEvents, payload: unknown): void {
    const settled = this.#joined && !this.#anew;
    if (event === "message:new") this.#entry(payload as MessageNew, settled);
    if (event === "room:head" && settled) {
      const { epoch, seq, mid } = payload as RoomHead;
      this.#judged(this.#log.sees(epoch, seq, mid));
    }
    if (event === "room:reset" && this.#joined) this.#readAnew((payload as RoomReset).reason);
    if (event === "presence:changed") {
      this.#count = (payload as PresenceChanged).count;
      this.#people.told(payload as PresenceChanged);
    }
    if (event === "typing") this.#typing = payload as Typing;
    this.#moved();
  }

  /** Between asking for a page and the answer nothing can be judged. */
  #entry(entry: MessageNew, settled: boolean): void {
    if (!this.#wanted) return;
    // One's own stays in sight also while it is held.
    if (this.#outbox.discard(entry.mid) !== undefined) this.#acked.push(shown(entry));
    if (settled) this.#judged(this.#log.take(entry));
    else this.#log.hold(entry);
  }

  // === How it keeps up

  /** Whether one wants to be in the room: somebody looks at it, or something is to be sent. */
  #want(): void {
    const wanted = this.#members > 0 || (this.#outbox.busy && !this.#denied);
    if (wanted === this.#wanted) return this.#work();
    this.#wanted = wanted;
    if (!wanted) {
      this.connection.tell("room:leave", { room: this.name });
      this.#forget();
    }
    this.changed();
    this.#work();
  }

  /** Whatever is under way belongs to a connection or a membership that is no more. */
  #forget(): void {
    this.#turn++;
    this.#working = this.#joined = false;
    this.#typing = undefined;
    this.#typedAt = -Infinity;
    this.#cancelRepair();
    this.#outbox.shut();
  }

  #again(): void {
    this.#forget();
    this.changed();
    this.#work();
  }

  #judged(verdict: Verdict): void {
    this.changed();
    if (verdict === "reset") this.#readAnew("diverged");
    else if (verdict === "held") this.#repairIn(0);
    else if (!this.#log.behind) this.#cancelRepair();
  }

  #readAnew(reason: ResetReason): void {
    this.#anew ??= { reason };
    this.#work();
  }

  /** Waits a little: what is only late heals itself, and not all members ask in the same moment. */
  #repairIn(least: number): void {
    const ms = least + between(this.env, 50, 250);
    const at = this.env.now() + ms;
    if (this.#working || (this.#repair && this.#repair.at <= at)) return;
    this.#cancelRepair();
    const cancel = this.env.after(ms, () => {
      this.#repair = undefined;
      this.#work();
    });
    this.#repair = { at, cancel };
  }

  #cancelRepair(): void {
    this.#repair?.cancel();
    this.#repair = undefined;
  }

  /** Begins to do what there is to do, unless that has begun already. */
  #work(): void {
    if (this.#working || !this.#step()) return;
    this.#cancelRepair();
    this.#working = true;
    this.changed();
    void this.#workOn(this.#turn);
  }

  /** The next thing to do. */
  #step(): (() => Promise<() => void>) | undefined {
    if (!this.#wanted || this.#denied || !this.connection.ready) return undefined;
    if (!this.#joined) return () => this.#askToJoin();
    if (this.#anew || this.#log.head - this.#log.upto > this.sizes.keep) return () => this.#askNewest();
    return this.#log.behind ? () => this.#askNext() : undefined;
  }

  /** `turn` tells a worker that its connection is gone, and that whatever comes back is not for it. */
  async #workOn(turn: number): Promise<void> {
    let [failures, fruitless] = [0, 0];
    for (let step = this.#step(); step; step = this.#step()) {
      const upto = this.#log.upto;
      let wait = 0;
      try {
        const apply = await step();
        if (turn !== this.#turn) return;
        apply();
        failures = 0;
        this.#error = undefined;
        if (this.#log.upto > upto || !this.#log.behind) fruitless = 0;
        else if (++fruitless >= FRUITLESS) [this.#anew, fruitless] = [this.#anew ?? {}, 0];
        else wait = backoff(this.env, fruitless);
      } catch (error) {
        if (turn !== this.#turn) return;
        const refused = error as HubbubError;
        if (refused.code === "disconnected" || refused.code === "closed") break;
        this.#error = plain(error);
        if (refused.code === "not_member") this.#joined = false;
        else if (!refused.retryable) {
          this.#denied = true;
          this.#outbox.refuse(plain(error));
        }
        wait = refused.retryAfterMs ?? backoff(this.env, failures);
        failures++;
      }
      this.#moved();
      if (wait > 0 && this.#step()) await new Promise<void>((go) => this.env.after(wait, go));
      if (turn !== this.#turn) return;
    }
    this.#working = false;
    if (this.#joined) this.#outbox.open();
    this.#moved();
  }

  async #askToJoin(): Promise<() => void> {
    const resumed = this.#everJoined;
    const since = resumed ? this.#log.cursor() : undefined;
    const limit = resumed ? REPAIR_PAGE : this.sizes.page;
    const page = await this.connection.ask("room:join", { room: this.name, limit, since });
    return () => {
      this.#joined = this.#everJoined = true;
      this.#anew = undefined;
      this.#count = page.count;
      const read = this.#read;
      this.#log.joined(page, resumed);
      this.#meet(page.messages);
      if (!resumed) [this.#read, this.#unread] = [this.#log.upto, 0];
      else if (page.reset || page.truncated) this.#jumped(page.reason === "epoch_changed" ? 0 : read);
      void this.#people.load();
    };
  }

  async #askNewest(): Promise<() => void> {
    const why = this.#anew;
    const page = await this.#ask({ limit: this.sizes.page });
    return () => {
      const changed = (page.epoch ?? null) !== this.#log.epoch;
      const reason = changed && this.#log.epoch !== null ? "epoch_changed" : why?.reason;
      this.#anew = undefined;
      this.#acked = [];
      this.#log.replaced(page, reason);
      this.#meet(page.messages);
      this.#jumped(reason === "epoch_changed" ? 0 : this.#read);
    };
  }

  async #askNext(): Promise<() => void> {
    const page = await this.#ask({ after: this.#log.upto, limit: REPAIR_PAGE });
    return () => {
      if (this.#log.filled(page) === "reset") this.#anew = { reason: "epoch_changed" };
      this.#meet(page.messages);
    };
  }

  /** The cursor passed an entry. */
  #passed({ mid, seq, user }: MessageNew): void {
    this.#outbox.settle(mid);
    if (seq > this.#read && user.id !== this.connection.me?.id) this.#unread++;
  }

  /** After a jump nobody has counted what lies between. */
  #jumped(read: number): void {
    this.#read = Math.min(read, this.#log.upto);
    this.#unread = this.#log.upto - this.#read;
  }

  /** Entries of a page: one's own among them are sent. */
  #meet(entries: readonly MessageNew[]): void {
    for (const { mid } of entries) this.#outbox.settle(mid);
  }

  #confirmed({ mid, text }: OutboxEntry, { epoch, seq, ts }: MessageSendAck): void {
    const user = this.connection.me;
    if (user && seq > this.#log.upto) this.#acked.push({ mid, seq, ts, user, text, state: "sent" });
    const verdict = this.#log.sees(epoch, seq, mid);
    if (verdict === "held") this.#repairIn(ECHO_MS);
    else this.#judged(verdict);
  }

  /** Looks for a message among the newest, back to before it was written. */
  async #find({ mid, at }: OutboxEntry): Promise<boolean> {
    let before: number | undefined;
    for (let page = 0; page < FIND_PAGES; page++) {
      const { messages, more_before } = await this.#ask({ limit: REPAIR_PAGE, before });
      if (messages.some((message) => message.mid === mid)) return true;
      const oldest = messages[0];
      if (!more_before || !oldest || oldest.ts < at - CLOCKS_DIFFER_MS) return false;
      before = oldest.seq;
    }
    return false;
  }

  /** Pages for somebody who looks; the same page is not asked for twice at once. */
  #page(key: string, range: Omit<History[0], "room">, apply: (page: History[1]) => void): Promise<void> {
    const under = this.#paging.get(key);
    if (under) return under;
    const asked = this.#ask(range)
      .then((page) => {
        if (!this.#anew) apply(page);
        this.#meet(page.messages);
        if (this.#log.behind) this.#repairIn(0);
        this.changed();
      })
      .finally(() => this.#paging.delete(key));
    this.#paging.set(key, asked);
    return asked;
  }

  #ask(range: Omit<History[0], "room">): Promise<History[1]> {
    return this.connection.ask("message:history", { room: this.name, ...range });
  }

  /** Something to send may have come or gone, and with it the wish to be here. */
  #moved(): void {
    this.changed();
    if (this.#wanted && this.#members === 0 && !this.#outbox.busy) this.env.after(0, () => this.#want());
  }
}

/** The list from before, if it says the same: whoever compares by identity need not render. */
function kept<T>(before: readonly T[] | undefined, now: readonly T[]): readonly T[] {
  return before && before.length === now.length && before.every((one, i) => one === now[i]) ? before : now;
}
