// A clock that only moves when told, chance that repeats, and a server in memory behind a fake socket.
export class FakeEnv {
  #now = 1_700_000_000_000;
  #timers = [];
  random = () => 0.5;
  now = () => this.#now;

  after = (ms, run) => {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return () => void (this.#timers = this.#timers.filter((one) => one !== timer));
  };

  /** Runs whatever is due within `ms`, in order, and lets promises settle in between. */
  async pass(ms) {
    const end = this.#now + ms;
    await settled();
    for (;;) {
      const next = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#now = Math.max(this.#now, next.at);
      this.#timers = this.#timers.filter((one) => one !== next);
      next.run();
      await settled();
    }
    this.#now = end;
  }
}

/** Everything that promises had left to do is done. */
export async function settled() {
  for (let i = 0; i < 30; i++) await Promise.resolve();
}

/** What a client opens in place of a stock socket; `answers[event]` answers, `asked` remembers. */
export class FakeSocket {
  active = true;
  connected = false;
  connects = 0;
  asked = [];
  answers = { "system:ping": () => ({ node: "n", server_time: 0 }), "room:leave": () => ({}), "typing:start": () => ({}), "typing:stop": () => ({}) };
  #heard = new Map();

  constructor(env) {
    this.env = env;
  }
  open = (uri, options) => {
    this.uri = uri;
    this.options = options;
    return this;
  };
  on(event, heard) {
    this.#heard.set(event, heard);
  }
  onAny(heard) {
    this.any = heard;
  }
  tell(event, payload) {
    // The library's own events are not among any.
    if (/^(connect|disconnect|connect_error)$/.test(event)) this.#heard.get(event)?.(payload);
    else this.any(event, payload);
  }
  connect() {
    this.connects++;
  }
  disconnect() {
    if (!this.connected) return;
    this.drop("io client disconnect");
  }
  /** What the client would say at the door. */
  auth() {
    let said;
    this.options.auth((auth) => (said = auth));
    // As it goes over the wire.
    return JSON.parse(JSON.stringify(said));
  }
  accept({ session = "s1", user = { id: "u1", name: "ada", role: "guest" }, node = "n1", ahead = 0, expires_at } = {}) {
    this.active = this.connected = true;
    this.tell("connect");
    this.tell("session:ready", { session, user, node, limits: {}, connection: "c", rooms: [], server_time: this.env.now() + ahead, expires_at });
  }
  refuse(code) {
    this.active = false;
    this.tell("connect_error", new Error(code));
  }
  fail() {
    this.active = true;
    this.tell("connect_error", new Error("xhr poll error"));
  }
  drop(reason = "transport close") {
    this.connected = false;
    this.tell("disconnect", reason);
    for (const { done } of this.asked.splice(0).filter((ask) => !ask.over)) done(new Error("socket has been disconnected"));
  }
  emit(event, payload) {
    this.asked.push({ event, payload, over: true, done() {} });
  }
  timeout(ms) {
    return {
      emit: (event, payload, answered) => {
        const ask = { event, payload, over: false };
        const late = this.env.after(ms, () => ask.done(new Error("operation has timed out")));
        ask.done = (error, ack) => {
          if (ask.over) return;
          ask.over = true;
          late();
          answered(error, ack);
        };
        this.asked.push(ask);
        const answer = this.answers[event]?.(payload);
        if (answer) queueMicrotask(() => ask.done(null, answer.error ? { ok: false, error: answer.error } : { ok: true, ...answer }));
      },
    };
  }
  /** How often something was asked on the present connection. */
  count(event) {
    return this.asked.filter((ask) => ask.event === event).length;
  }
}

/** A room's log as the server has it, and answers from it. */
export class FakeLog {
  entries = [];
  epoch = "epoch-01";
  constructor(room = "lobby") {
    this.room = room;
  }
  say(text, { mid = `mid-${text}-${this.entries.length}`.padEnd(16, "0"), user = { id: "u2", name: "bob" }, skip = 0, ts = 1 } = {}) {
    const entry = { room: this.room, epoch: this.epoch, seq: this.head + 1 + skip, mid, ts, user, text };
    this.entries.push(entry);
    return entry;
  }
  get head() {
    return this.entries.at(-1)?.seq ?? 0;
  }
  get first() {
    return this.entries[0]?.seq ?? 1;
  }
  join = ({ since, limit = 50 }) => {
    const { head, first } = this;
    const base = { epoch: head ? this.epoch : null, head, first, count: 2, me: { role: "guest" }, truncated: false, reset: false };
    const newest = { ...base, messages: this.entries.slice(-limit), upto: head, has_more: false };
    if (!since) return newest;
    if (since.epoch && since.epoch !== this.epoch) return { ...newest, reset: true, reason: "epoch_changed" };
    if (since.seq > head) return { ...newest, reset: true, reason: "rolled_back" };
    if (since.seq + 1 < first) return { ...newest, truncated: true };
    const after = this.entries.filter((entry) => entry.seq > since.seq);
    const messages = after.slice(0, limit);
    const more = after.length > limit;
    return { ...base, messages, upto: more ? messages.at(-1).seq : head, has_more: more };
  };
  history = ({ before, after, around, limit = 50 }) => {
    let from = 0;
    const all = this.entries;
    const index = (seq) => all.filter((entry) => entry.seq < seq).length;
    if (after !== undefined) from = index(after + 1);
    else if (before !== undefined) from = Math.max(0, index(before) - limit);
    else if (around !== undefined) from = Math.max(0, index(around) - (limit >> 1));
    else from = Math.max(0, all.length - limit);
    const to = before === undefined ? Math.min(all.length, from + limit) : index(before);
    return { messages: all.slice(from, to), epoch: all.length ? this.epoch : null, first: this.first, head: this.head, more_before: from > 0, more_after: to < all.length };
  };
  /** The store lost everything, and somebody writes into what is there now, if anybody does. */
  lose(...said) {
    this.entries = [];
    this.epoch = `epoch-${Number(this.epoch.slice(6)) + 1}`.padEnd(8, "0");
    said.forEach((text) => this.say(text));
  }
  send = ({ mid, text }, user = { id: "u1", name: "ada" }) => {
    const had = this.entries.find((entry) => entry.mid === mid);
    const { epoch, seq, ts } = had ?? this.say(text, { mid, user });
    return { epoch, seq, ts, mid, dup: Boolean(had) };
  };
}

/** A client on all of these, with the lobby of `log`. */
export async function stage(options = {}, { accept = true, random } = {}) {
  const { openClient } = await import("../../../client/dist/client.js");
  const env = new FakeEnv();
  if (random) env.random = random;
  const socket = new FakeSocket(env);
  const log = new FakeLog();
  Object.assign(socket.answers, { "room:join": log.join, "message:history": log.history, "message:send": log.send });
  const client = openClient("http://x", { storage: null, ...options }, socket.open, env);
  const room = client.room("lobby");
  if (accept) {
    socket.accept();
    await settled();
  }
  return { env, socket, log, client, room };
}

/** The server's refusal of a request. */
export const refuse = (code, more = {}) => () => ({ error: { code, message: code, retryable: false, ...more } });
/** The store does not answer, and will not for a second. */
export const unavailable = (outcome = "none") => refuse("unavailable", { retryable: true, outcome, retry_after_ms: 1_000 });

export const texts = (room) => room.snapshot().messages.map((message) => message.text);
