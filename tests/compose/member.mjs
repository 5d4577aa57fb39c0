// A member of a room on a stock socket.io-client: it keeps the client rule, sends with retries, and writes all of it down.
import { createRequire } from "node:module";
import { setTimeout as pause } from "node:timers/promises";
import { randomUUID } from "node:crypto";

import { http } from "./polling.mjs";
import { hash, lineOf, openRecords } from "./records.mjs";

const require = createRequire(new URL("../clients/package.json", import.meta.url));
const io = require("sio48");

/** How long an answer may take before it is asked again under the same mid: longer than the service promises. */
const ANSWER_MS = 6_000;
const PAGE = 200;

/** What a client may be: the three ways in, and polling with the balancer's cookie as a browser has it. */
export const KINDS = {
  websocket: { transports: ["websocket"] },
  upgrade: { transports: ["polling", "websocket"] },
  polling: { transports: ["polling"] },
  "polling-cookie": { transports: ["polling"] },
};

export class Member {
  #room;
  #session;
  /** The client rule's cursor; `null`: the list begins with the next join. */
  #last = null;
  #epoch = null;
  #live = false;
  #repairing = false;
  #held = [];
  #attempt = 0;
  #stopped = false;
  #wake = [];
  #url;

  constructor(url, run, { name, kind, room }) {
    this.#room = room;
    this.#url = url;
    this.nodes = [];
    this.acked = 0;
    const { note, records, client } = openRecords(run, { name, kind, rule: true, retries: true });
    Object.assign(this, { note, records, client });
    this.socket = io(`${url}/chat`, {
      ...KINDS[kind],
      forceNew: true,
      autoConnect: false,
      reconnectionDelay: 200,
      reconnectionDelayMax: 1_000,
      timeout: 5_000,
      auth: (give) => give({ name, session: this.#session }),
    });
    this.socket.on("session:ready", (ready) => this.#enter(ready));
    this.socket.on("disconnect", (why) => this.#leave(why));
    this.socket.on("message:new", (message) => this.#hear(message));
    this.socket.on("room:head", ({ epoch, seq }) => this.#live && (epoch !== this.#epoch || seq > this.#seq) && this.#repair());
    this.socket.on("room:reset", ({ reason }) => this.#reset(reason));
    this.socket.on("system:notice", ({ code, reconnect, after_ms }) => this.note("notice", { code, reconnect, after_ms: after_ms ?? 0 }));
    this.#takeCookie().then(() => this.socket.connect());
    // "io server disconnect" and a refusal at the door are not followed by another attempt.
    this.socket.on("connect_error", () => this.socket.active || pause(300).then(() => this.#stopped || this.socket.connect()));
  }

  get #seq() {
    return this.#last?.seq ?? 0;
  }

  /** The number of the last message in the list. */
  get seq() {
    return this.#seq;
  }

  /** As a browser has it: from the page, and anew when the one it has leads to a node that is gone. */
  async #takeCookie() {
    if (this.client.kind !== "polling-cookie") return;
    const jar = {};
    await http(`${this.#url}/`, { jar }).catch(() => {});
    const cookie = Object.entries(jar).map((pair) => pair.join("=")).join("; ");
    if (cookie) this.socket.io.opts.extraHeaders = { cookie };
  }

  // === Coming in and going

  async #enter({ node, session, user, connection }) {
    this.#session = session;
    this.nodes.push(node);
    this.note("connected", { node, user: user.id, connection });
    await this.#join();
  }

  #leave(why) {
    this.#live = false;
    this.#repairing = false;
    this.note("disconnected", { why });
    this.#takeCookie();
    if (why === "io server disconnect" && !this.#stopped) this.socket.connect();
    this.#notify();
  }

  async #join() {
    const since = this.#last && { epoch: this.#epoch, seq: this.#last.seq, mid: this.#last.mid };
    const socket = this.socket.id;
    this.note("joining", { room: this.#room, since });
    const answer = await this.#ask("room:join", { room: this.#room, limit: PAGE, ...(since && { since }) });
    if (this.socket.id !== socket) return;
    if (!answer?.ok) return void pause(300).then(() => this.socket.connected && this.socket.id === socket && this.#join());
    const { epoch = null, head, first, messages, upto, has_more, truncated, reset, reason } = answer;
    const goesOn = since && !truncated && !reset;
    const after = goesOn ? since.seq : messages.length ? messages[0].seq - 1 : upto;
    const page = { room: this.#room, epoch, head, first, after, upto };
    this.note("joined", { page, since, has_more, truncated, reset: reset ? (reason ?? "unknown") : null });
    if (!goesOn) this.#last = null;
    this.#epoch = epoch;
    this.#take(messages, upto);
    this.#live = true;
    this.#release();
    if (has_more) this.#repair();
    this.#notify();
  }

  #reset(reason) {
    this.note("reset", { room: this.#room, reason });
    this.#last = null;
    this.#live = false;
    this.#held = [];
    if (this.socket.connected) this.#join();
  }

  // === The client rule

  #hear(message) {
    if (message.room !== this.#room) return;
    // A room that nobody had written in has an epoch from its first message on.
    if (this.#live && this.#epoch === null && this.#seq === 0) this.#epoch = message.epoch;
    const isNext = this.#live && !this.#repairing && message.epoch === this.#epoch && message.seq === this.#seq + 1;
    this.note("heard", { line: lineOf(message), applied: isNext });
    if (isNext) return this.#put(message);
    if (this.#live && message.epoch === this.#epoch && message.seq <= this.#seq) return;
    this.#held.push(message);
    if (this.#live) this.#repair();
  }

  #put(message) {
    this.#last = { seq: message.seq, mid: message.mid };
    this.#epoch = message.epoch;
    this.#notify();
  }

  /** A page's messages, and that there is nothing more up to `upto`. */
  #take(messages, upto) {
    for (const message of messages) {
      if (message.seq <= this.#seq) continue;
      this.note("applied", { line: lineOf(message) });
      this.#put(message);
    }
    if (upto > this.#seq) this.#last = { seq: upto, mid: null };
  }

  #release() {
    for (const message of this.#held.splice(0).sort((a, b) => a.seq - b.seq)) {
      if (message.epoch !== this.#epoch || message.seq <= this.#seq) continue;
      if (message.seq !== this.#seq + 1) {
        this.#held.push(message);
        continue;
      }
      this.note("applied", { line: lineOf(message) });
      this.#put(message);
    }
    if (this.#held.length > 0) this.#repair();
  }

  async #repair() {
    if (this.#repairing) return;
    this.#repairing = true;
    const socket = this.socket.id;
    for (let more = true; more && this.socket.id === socket; ) {
      const after = this.#seq;
      const answer = await this.#ask("message:history", { room: this.#room, after, limit: PAGE });
      if (this.socket.id !== socket) return;
      if (!answer?.ok) {
        await pause(300);
        continue;
      }
      if (this.#epoch === null) this.#epoch = answer.epoch;
      if (answer.epoch !== this.#epoch) {
        this.#repairing = false;
        return this.#reset("epoch_changed");
      }
      more = answer.more_after;
      const upto = more ? answer.messages.at(-1).seq : answer.head;
      const page = { room: this.#room, epoch: answer.epoch, head: answer.head, first: answer.first, after, upto };
      this.note("paged", { page, anew: false });
      this.#take(answer.messages, upto);
    }
    this.#repairing = false;
    this.#release();
  }

  // === Saying something

  /** Sends until there is a final answer; returns when it is acknowledged. */
  async send(text) {
    const mid = randomUUID();
    for (;;) {
      await this.#until(() => this.#live || this.#stopped);
      if (this.#stopped) return;
      const n = ++this.#attempt;
      const about = { n, room: this.#room, mid };
      this.note("sent", { ...about, text_hash: hash(text) });
      const answer = await this.#ask("message:send", { room: this.#room, mid, text });
      if (answer?.ok) {
        this.note("acked", { ...about, epoch: answer.epoch, seq: answer.seq, dup: answer.dup });
        this.acked += 1;
        return;
      }
      if (answer) {
        const { code, outcome = null, retryable } = answer.error;
        this.note("refused", { ...about, code, outcome, retryable });
        if (!retryable) throw new Error(`${this.client.name}: "${text}" was refused: ${JSON.stringify(answer.error)}`);
      }
      await pause(answer?.error.retry_after_ms ?? 200);
    }
  }

  /** The answer, or nothing if none came in time or the connection went away. */
  async #ask(event, payload) {
    if (!this.socket.connected) return undefined;
    let gone;
    const lost = new Promise((settle) => this.socket.once("disconnect", (gone = () => settle(undefined))));
    const answer = this.socket.timeout(ANSWER_MS).emitWithAck(event, payload).catch(() => undefined);
    return Promise.race([answer, lost]).finally(() => this.socket.off("disconnect", gone));
  }

  // === Waiting

  #notify() {
    this.#wake.splice(0).forEach((wake) => wake());
  }

  async #until(is) {
    while (!is()) await new Promise((wake) => this.#wake.push(wake));
  }

  isLive() {
    return this.#until(() => this.#live);
  }

  /** Has everything up to this number, and is there. */
  has(seq) {
    return this.#until(() => this.#live && !this.#repairing && this.#seq >= seq);
  }

  told() {
    const { name, kind } = this.client;
    return `${name} (${kind}) on ${this.nodes.at(-1)}: live ${this.#live}, repairing ${this.#repairing}, has ${this.#seq}, acked ${this.acked}, last: ${JSON.stringify(this.records.slice(-4))}`;
  }

  close() {
    this.#stopped = true;
    this.note("closed", {});
    this.socket.disconnect();
    this.#notify();
  }
}

/** A bare connection; `ready` is what the node says of itself. */
export function connect(url) {
  const socket = io(`${url}/chat`, { transports: ["websocket"], forceNew: true, auth: { name: "auditor" } });
  return { socket, ready: new Promise((ready) => socket.once("session:ready", ready)) };
}

/** The room's whole log, as any node reads it. */
export async function readHistory(url, room) {
  const { socket, ready } = connect(url);
  try {
    await ready;
    await socket.timeout(10_000).emitWithAck("room:join", { room });
    const all = [];
    for (let more = true; more; ) {
      const page = await socket.timeout(10_000).emitWithAck("message:history", { room, after: all.at(-1)?.seq ?? 0, limit: PAGE });
      if (!page.ok) throw new Error(`the history of ${room} cannot be read: ${JSON.stringify(page)}`);
      all.push(...page.messages);
      more = page.more_after;
    }
    return all.map(lineOf);
  } finally {
    socket.disconnect();
  }
}
