// A real `socket.io-client` as one of the swarm: says and hears as its program would, applies the client
// rule (delivery.md §2.4), and writes down what ../records.rs says. Told what to do on stdin, says how it is on stdout.
import { closeSync, openSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { crc32 } from "node:zlib";
import { randomBytes } from "node:crypto";

const require = createRequire(new URL("../../clients/package.json", import.meta.url));
const { io } = require("sio48");

const { name, url, rooms, aSecond, seed, began, file } = JSON.parse(process.argv[2]);
/** The longest page there is, sends under way at once, letters kept, and how long an answer may take. */
const [PAGE, WINDOW, MOST, ANSWERS_WITHIN_MS] = [200, 8, 500, 8_000];

// === Records

const paper = openSync(file, "wx");
writeSync(paper, `${JSON.stringify({ name, kind: "socket.io-client 4.8", rule: true, retries: true })}\n`);

function note(event, fields = {}) {
  const at = Number((process.hrtime.bigint() - BigInt(began)) / 1000n);
  writeSync(paper, `${JSON.stringify({ at, event, ...fields })}\n`);
}

const line = ({ room, epoch, seq, mid, text, user }) => ({ room, epoch, seq, mid, text_hash: crc32(text), user: user.id });

// === Choices, the same for the same seed

let state = seed >>> 0;
function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

/** A UUID of version 7. */
function newMid() {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

// === A room: the client rule

class View {
  cursor = null;
  live = false;
  paging = false;
  mids = new Map();
  held = new Map();

  constructor(room) {
    this.room = room;
  }

  away() {
    this.live = this.paging = false;
    this.held.clear();
  }

  apply(message) {
    this.mids.set(message.seq, message.mid);
    this.cursor = { epoch: message.epoch, seq: message.seq, mid: message.mid };
  }

  forget(reason) {
    note("reset", { room: this.room, reason });
    this.cursor = null;
    this.mids.clear();
    this.held.clear();
    if (this.live) this.page();
  }

  hear(message) {
    const { cursor } = this;
    if (!this.live || this.paging || !cursor) {
      note("heard", { line: line(message), applied: false });
      this.held.set(message.seq, message);
      return;
    }
    const sameEpoch = cursor.epoch === message.epoch || (cursor.epoch === null && message.seq === 1);
    const applied = sameEpoch && message.seq === cursor.seq + 1;
    if (applied) this.apply(message);
    note("heard", { line: line(message), applied });
    if (applied) return;
    if (!sameEpoch && cursor.epoch !== null) this.forget("epoch_changed");
    else if (message.seq > cursor.seq) {
      this.held.set(message.seq, message);
      this.page();
    } else if (this.mids.get(message.seq) !== message.mid) this.forget("diverged");
  }

  told({ epoch, seq, mid }) {
    if (!this.live || this.paging || !this.cursor) return;
    if (this.cursor.epoch !== null && this.cursor.epoch !== epoch) this.forget("epoch_changed");
    else if (seq > this.cursor.seq) this.page();
    else if (mid && this.mids.has(seq) && this.mids.get(seq) !== mid) this.forget("diverged");
  }

  join() {
    const since = this.cursor;
    note("joining", { room: this.room, since });
    ask("room:join", { room: this.room, since: since ?? undefined, limit: PAGE }, () => !this.live && this.join(), (said) => {
      const anew = !since || said.truncated || said.reset;
      this.live = true;
      // Forgotten while it was on its way.
      if (!anew && !this.cursor) return this.page();
      const { epoch = null, head, first, upto, messages, has_more, truncated } = said;
      const page = { room: this.room, epoch, head, first, after: anew ? before(messages, upto) : since.seq, upto };
      note("joined", { page, since, has_more, truncated, reset: said.reset ? (said.reason ?? "not said") : null });
      this.put(page, anew, messages, has_more);
    });
  }

  page() {
    const after = this.cursor?.seq;
    this.paging = true;
    ask("message:history", { room: this.room, after, limit: PAGE }, () => this.page(), (said) => {
      this.paging = false;
      const { epoch = null, head, first, messages, more_after } = said;
      if (after !== undefined) {
        if (!this.cursor) return this.page();
        if (this.cursor.epoch !== null && this.cursor.epoch !== epoch) return this.forget("epoch_changed");
        if (head < after) return this.forget("rolled_back");
        if (first > after + 1 && head > after) {
          this.cursor = null;
          return this.page();
        }
      }
      const upto = more_after && messages.length ? messages.at(-1).seq : head;
      const anew = after === undefined;
      const page = { room: this.room, epoch, head, first, after: after ?? before(messages, upto), upto };
      note("paged", { page, anew });
      this.put(page, anew, messages, more_after);
    });
  }

  put({ epoch, upto }, anew, messages, hasMore) {
    if (anew) this.mids.clear();
    const last = anew ? 0 : this.cursor.seq;
    for (const message of messages) {
      if (message.seq <= last) continue;
      this.mids.set(message.seq, message.mid);
      note("applied", { line: line(message) });
    }
    const seq = Math.max(upto, last);
    this.cursor = { epoch, seq, mid: this.mids.get(seq) ?? null };
    if (hasMore) return this.page();
    for (const seq of [...this.held.keys()].sort((a, b) => a - b)) {
      const message = this.held.get(seq);
      this.held.delete(seq);
      if (this.cursor.epoch !== null && this.cursor.epoch !== message.epoch) continue;
      if (seq === this.cursor.seq + 1) {
        this.apply(message);
        note("applied", { line: line(message) });
      } else if (seq > this.cursor.seq) {
        this.held.set(seq, message);
        return this.page();
      } else if (this.mids.has(seq) && this.mids.get(seq) !== message.mid) return this.forget("diverged");
    }
  }
}

const before = (messages, upto) => (messages.length ? messages[0].seq - 1 : upto);

// === The connection, as its program has it

const status = { node: null, user: null, session: null, unsent: 0, acked: 0, refused: 0, heard: 0, connections: 0 };
const views = new Map(rooms.map((room) => [room, new View(room)]));
const socket = io(`${url}/chat`, { transports: ["websocket"], auth: (give) => give({ name, session: status.session ?? undefined }) });

/** Asks on this connection; a refusal that may be retried is retried after a while. */
function ask(event, payload, again, done) {
  const connection = socket.id;
  const mine = (action) => () => socket.connected && socket.id === connection && action();
  socket.emit(event, payload, (said) => {
    if (!mine(() => true)()) return;
    if (said.ok) return done(said);
    if (!said.error.retryable) throw new Error(`${name}: ${event}: ${JSON.stringify(said.error)}`);
    setTimeout(mine(again), (said.error.retry_after_ms ?? 300) * (1 + random() / 2));
  });
}

socket.on("session:ready", (ready) => {
  note("connected", { node: ready.node, user: ready.user.id, connection: ready.connection });
  Object.assign(status, { node: ready.node, user: ready.user.id, session: ready.session });
  status.connections += 1;
  for (const view of views.values()) view.join();
});
socket.on("disconnect", (why) => {
  if (status.node) note("disconnected", { why });
  status.node = null;
  for (const view of views.values()) view.away();
  for (const letter of outbox) Object.assign(letter, { underway: 0, notBefore: 0 });
  // What a server ends on purpose, the stock client does not come back from by itself.
  if (why === "io server disconnect") socket.connect();
});
// Nor from a refusal at the door.
socket.on("connect_error", () => {
  if (!socket.active) setTimeout(() => socket.connect(), 500 + random() * 1000);
});
socket.on("message:new", (message) => {
  status.heard += 1;
  views.get(message.room)?.hear(message);
});
socket.on("room:head", (head) => views.get(head.room)?.told(head));
socket.on("room:reset", ({ room, reason }) => views.get(room)?.forget(reason));
socket.on("system:notice", ({ code, reconnect, after_ms }) => note("notice", { code, reconnect, after_ms }));
socket.on("presence:changed", ({ room, joined, left }) => {
  const ids = (people) => people.map((person) => person.id);
  note("presence_changed", { room, joined: ids(joined), left: ids(left) });
});

// === The outbox

const outbox = [];
let [talks, offered, attempts] = [false, 0, 0];

function offer() {
  if (!talks) return;
  if (outbox.length < MOST) {
    offered += 1;
    const others = rooms.slice(1);
    const room = !others.length || random() < 0.1 ? rooms[0] : others[Math.floor(random() * others.length)];
    outbox.push({ mid: newMid(), room, text: `${name} says ${offered}`, underway: 0, notBefore: 0 });
    flush();
  }
  setTimeout(offer, ((0.5 + random()) * 1000) / aSecond);
}

function flush() {
  const now = Date.now();
  if (outbox.some((letter) => letter.underway && now - letter.underway > ANSWERS_WITHIN_MS)) {
    // Nobody answers: it begins again on another connection.
    socket.disconnect();
    socket.connect();
    return;
  }
  for (const letter of outbox) {
    if (outbox.filter((other) => other.underway).length >= WINDOW) break;
    if (letter.underway || letter.notBefore > now || !socket.connected || !views.get(letter.room).live) continue;
    send(letter);
  }
}

function send(letter) {
  const { room, mid, text } = letter;
  const n = ++attempts;
  letter.underway = Date.now();
  note("sent", { n, room, mid, text_hash: crc32(text) });
  socket.emit("message:send", { room, mid, text }, (said) => {
    letter.underway = 0;
    if (said.ok) {
      note("acked", { n, room, mid, epoch: said.epoch, seq: said.seq, dup: said.dup });
      status.acked += 1;
    } else {
      const { code, outcome = null, retryable, retry_after_ms } = said.error;
      note("refused", { n, room, mid, code, outcome, retryable });
      status.refused += 1;
      letter.notBefore = Date.now() + (retry_after_ms ?? 200) * (1 + random() / 2);
    }
    if (said.ok || !said.error.retryable) outbox.splice(outbox.indexOf(letter), 1);
    flush();
  });
}

// === What it is told, and says

setInterval(flush, 50);
setInterval(() => {
  const at = [...views.values()].map((view) => [view.room, view.cursor, view.live && !view.paging]);
  console.log(JSON.stringify({ ...status, unsent: outbox.length, rooms: at }));
}, 100);

function end() {
  // Our own wish is no loss.
  socket.off("disconnect").disconnect();
  note("closed");
  closeSync(paper);
  process.exit(0);
}

createInterface({ input: process.stdin })
  .on("line", (order) => {
    if (order === "talk" && !talks) {
      talks = true;
      setTimeout(offer, random() * 1000);
    } else if (order === "silence") talks = false;
    else if (order === "close") end();
  })
  .on("close", end);
