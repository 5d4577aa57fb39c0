// What may not simply be sent again: it is looked for in the log, and only then called failed.
import assert from "node:assert/strict";
import { test } from "node:test";

import { refuse, settled, stage, unavailable } from "./support/fakes.mjs";

const OLD_MS = 600_001;

async function live(options) {
  const s = await stage(options);
  s.room.join();
  await settled();
  s.sends = () => s.socket.asked.filter((ask) => ask.event === "message:send").map((ask) => ask.payload);
  s.pages = () => s.socket.asked.filter((ask) => ask.event === "message:history").map((ask) => ask.payload);
  s.pending = () => s.room.snapshot().pending.map(({ text, state, error }) => [text, state, error?.code]);
  s.shown = () => s.room.snapshot().messages.map(({ text, seq, state }) => [text, seq, state]);
  return s;
}

/** Ada writes, the node may take it, the ack is lost, and she is away for `ms`. */
async function away(s, texts, { taken = true, ms = OLD_MS } = {}) {
  s.socket.answers["message:send"] = undefined;
  for (const text of texts) {
    s.room.send(text);
    await settled();
  }
  const [first] = s.sends();
  if (taken) s.log.say(first.text, { mid: first.mid, user: { id: "u1", name: "ada" }, ts: s.env.now() });
  s.socket.drop();
  await s.env.pass(ms);
  s.socket.answers["message:send"] = s.log.send;
}

/** Others wrote, evenly over some time that ends now. */
function crowd(s, count, ms = OLD_MS) {
  for (let i = 1; i <= count; i++) s.log.say(`crowd ${i}`, { ts: s.env.now() - Math.round((1 - i / count) * ms) });
}

/** So much came that joining begins at the newest page. */
function comeBackToMuch(s) {
  s.socket.answers["room:join"] = (asked) => ({ ...s.log.join({ ...asked, since: undefined }), truncated: true });
  s.socket.accept();
}

test("older than the server remembers: it is found in the log, and settled at its number", async () => {
  const s = await live();
  await away(s, ["there"]);
  crowd(s, 900);
  comeBackToMuch(s);
  await s.env.pass(300);

  assert.deepEqual(s.pending(), []);
  assert.equal(s.sends().length, 0, "nothing is sent twice");
  assert.deepEqual(s.pages().map(({ limit, before }) => [limit, before]), [[200, undefined], [200, 702], [200, 502], [200, 302], [200, 102]]);
});

test("found ahead of what one has, it is shown at once with its number", async () => {
  const s = await live();
  await away(s, ["there"], { taken: false });
  s.socket.accept();
  // It comes into the log after the join was answered, through a node that was slow.
  const { mid } = s.room.snapshot().pending[0];
  s.socket.answers["message:history"] = (asked) => {
    if (s.log.head === 0) s.log.say("there", { mid, user: { id: "u1", name: "ada" }, ts: s.env.now() });
    return s.log.history(asked);
  };
  await settled();

  assert.deepEqual([s.pending(), s.shown()], [[], [["there", 1, "sent"]]]);
  await s.env.pass(5_000);
  assert.deepEqual(s.shown(), [["there", 1, "sent"]]);
});

test("not found: it has failed, and goes again as a new message when somebody says so", async () => {
  const s = await live();
  await away(s, ["gone"], { taken: false });
  crowd(s, 10);
  s.socket.accept();
  await s.env.pass(300);

  assert.deepEqual(s.pending(), [["gone", "failed", "expired"]]);
  assert.equal(s.sends().length, 0);
  const { mid } = s.room.snapshot().pending[0];
  const again = s.room.retry(mid);
  await settled();
  assert.notEqual(again, mid);
  assert.deepEqual(s.sends().map((sent) => sent.mid), [again]);
  assert.deepEqual(s.pending(), []);
});

test("as long as the server remembers, it is sent again under the same mid, and nothing is looked for", async () => {
  const s = await live();
  await away(s, ["young"], { taken: false, ms: OLD_MS - 60_000 });
  s.socket.accept();
  await s.env.pass(300);

  assert.deepEqual([s.sends().length, s.pages().length, s.pending()], [1, 0, []]);
});

test("all that are too old are decided by one look, and what is young follows", async () => {
  const s = await live();
  await away(s, ["first", "second", "third"]);
  s.room.send("young");
  s.socket.accept();
  await s.env.pass(300);

  assert.deepEqual(s.pending(), [["second", "failed", "expired"], ["third", "failed", "expired"]]);
  assert.equal(s.pages().length, 1);
  assert.deepEqual(s.sends().map((sent) => sent.text), ["young"]);
});

test("the search ends at the message's own time, and has a bound where nothing else ends it", async () => {
  const s = await live();
  await away(s, ["gone"], { taken: false });
  // Two hours of one message a second; the last fifteen minutes of them are looked through.
  crowd(s, 7_200, 7_200_000);
  comeBackToMuch(s);
  await s.env.pass(300);
  assert.equal(s.pages().length, 5);
  assert.deepEqual(s.pending(), [["gone", "failed", "expired"]]);

  const busy = await live();
  await away(busy, ["gone"], { taken: false });
  crowd(busy, 20_000);
  comeBackToMuch(busy);
  for (let i = 0; i < 50; i++) await busy.env.pass(10);
  assert.equal(busy.pages().length, 50);
  assert.deepEqual(busy.pending(), [["gone", "failed", "expired"]]);
});

test("what failed long ago for another reason goes as a new message too", async () => {
  const s = await live();
  s.socket.answers["message:send"] = refuse("too_large");
  const mid = s.room.send("much");
  await s.env.pass(OLD_MS);
  s.socket.answers["message:send"] = s.log.send;
  assert.notEqual(s.room.retry(mid), mid);
  await settled();
  assert.deepEqual([s.pending(), s.pages().length], [[], 0]);
});

test("while the store does not answer nothing is known, so nothing has failed", async () => {
  const s = await live();
  await away(s, ["gone"], { taken: false });
  s.socket.answers["message:history"] = unavailable("none");
  s.socket.accept();
  await s.env.pass(30_000);
  assert.deepEqual(s.pending(), [["gone", "sending", "unavailable"]]);
  assert.ok(s.pages().length >= 4 && s.pages().length <= 12, `${s.pages().length} looks in half a minute`);

  s.socket.answers["message:history"] = s.log.history;
  await s.env.pass(8_000);
  assert.deepEqual(s.pending(), [["gone", "failed", "expired"]]);
});

test("the server says that it is too old: it is looked up all the same", async () => {
  const s = await live();
  s.socket.answers["message:send"] = refuse("expired");
  s.room.send("gone");
  await settled();
  assert.deepEqual(s.pending(), [["gone", "failed", "expired"]]);

  s.socket.answers["message:send"] = ({ text, mid }) => (s.log.say(text, { mid }), refuse("expired")());
  s.room.send("there");
  await settled();
  assert.deepEqual(s.pending(), [["gone", "failed", "expired"]]);
});

test("a mid that was used before: the same text was sent, another one has failed", async () => {
  const s = await live();
  s.socket.answers["message:send"] = ({ text, mid }) => (s.log.say(text === "mine" ? text : "something else", { mid }), refuse("idempotency_conflict")());
  s.room.send("mine");
  await settled();
  assert.deepEqual(s.pending(), []);

  const mid = s.room.send("collided");
  await settled();
  assert.deepEqual(s.pending(), [["collided", "failed", "idempotency_conflict"]]);
  s.socket.answers["message:send"] = s.log.send;
  const again = s.room.retry(mid);
  await settled();
  assert.notEqual(again, mid);
  assert.deepEqual(s.pending(), []);
});

test("a wrong clock makes no old mids: they tell the server's time", async () => {
  const s = await live();
  s.socket.drop();
  await s.env.pass(2_000);
  // This machine is an hour late.
  s.socket.accept({ ahead: 3_600_000 });
  await s.env.pass(300);
  const mid = s.room.send("on time");
  await settled();
  assert.equal(parseInt(mid.replace("-", "").slice(0, 12), 16), s.env.now() + 3_600_000);
  assert.equal(s.pages().length, 0);
  assert.deepEqual(s.pending(), []);
});

test("scrolling back over a message that was called failed settles it", async () => {
  const s = await live();
  s.socket.drop();
  crowd(s, 100);
  await s.env.pass(2_000);
  s.socket.accept();
  await s.env.pass(300);
  s.socket.answers["message:send"] = refuse("expired");
  const mid = s.room.send("there after all");
  await settled();
  assert.equal(s.pending().length, 1);
  s.log.entries[10] = { ...s.log.entries[10], mid, text: "there after all" };

  await s.room.around(11);
  assert.deepEqual(s.pending(), []);
  assert.equal(s.room.snapshot().messages.filter((message) => message.mid === mid).length, 1);
});
