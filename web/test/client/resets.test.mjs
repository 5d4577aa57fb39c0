// When the log is not the one from before, or part of it is gone: with messages unsent, pages under way, or an empty room.
import assert from "node:assert/strict";
import { test } from "node:test";

import { settled, stage, texts } from "./support/fakes.mjs";

async function live(count = 3, options = {}) {
  const s = await stage(options, { accept: false });
  for (let i = 1; i <= count; i++) s.log.say(`m${i}`);
  s.socket.accept();
  s.room.join();
  await settled();
  s.sends = () => s.socket.asked.filter((ask) => ask.event === "message:send").map((ask) => ask.payload);
  s.reset = (reason) => s.socket.tell("room:reset", { room: "lobby", reason, head: s.log.head, epoch: s.log.epoch });
  return s;
}
/** Comes back over a new connection. */
async function comeBack(s) {
  s.socket.drop();
  await s.env.pass(2_000);
  s.socket.accept();
  await s.env.pass(300);
}
const all = (log) => log.entries.map((entry) => entry.text);
const reason = ({ room }) => room.snapshot().resetReason;

// === With unsent messages

test("a reset while messages wait: they are sent into the new log, once, in order, under the same mids", async () => {
  const s = await live();
  s.socket.answers["message:send"] = undefined;
  const mids = ["a", "b"].map((text) => s.room.send(text));
  await settled();
  // The old log took the first, and was lost with it; so was the ack.
  s.log.send(s.sends()[0]);
  s.log.lose("anew");
  s.socket.answers["message:send"] = s.log.send;
  s.reset("epoch_changed");
  await s.env.pass(30_000);

  assert.deepEqual(texts(s.room), ["anew", "a", "b"]);
  assert.deepEqual(s.log.entries.slice(1).map((entry) => entry.mid), mids);
  assert.deepEqual([s.room.snapshot().pending.length, reason(s)], [0, "epoch_changed"]);
});

test("the same over a broken connection", async () => {
  const s = await live();
  s.socket.answers["message:send"] = undefined;
  const mid = s.room.send("a");
  await settled();
  s.log.lose("anew");
  s.socket.answers["message:send"] = s.log.send;
  await comeBack(s);
  await s.env.pass(2_000);

  assert.deepEqual(texts(s.room), ["anew", "a"]);
  assert.deepEqual([s.log.entries[1].mid, reason(s)], [mid, "epoch_changed"]);
});

for (const [how, told] of [
  ["told by the server", async (s) => (s.reset("epoch_changed"), s.env.pass(300))],
  ["found on coming back", comeBack],
]) {
  test(`what was acknowledged in a log that is no more is not shown in the new one, ${how}`, async () => {
    const s = await live();
    // Its echo never comes, so that it stands behind the window.
    s.room.send("acknowledged");
    await settled();
    assert.equal(texts(s.room).at(-1), "acknowledged");
    s.log.lose("anew");
    await told(s);

    assert.deepEqual(texts(s.room), ["anew"]);
  });
}

test("a failed message stays through a reset, for its author to decide", async () => {
  const s = await live();
  s.socket.answers["message:send"] = () => ({ error: { code: "too_large", message: "no", retryable: false } });
  s.room.send("much");
  await settled();
  s.log.lose();
  s.reset("epoch_changed");
  await s.env.pass(300);

  assert.deepEqual(s.room.snapshot().pending.map(({ text, state }) => [text, state]), [["much", "failed"]]);
  assert.deepEqual(texts(s.room), ["much"]);
});

// === While paging

test("a reset while paging back: the page of the old log is thrown away", async () => {
  const s = await live(300);
  s.socket.answers["message:history"] = undefined;
  const paged = s.room.before();
  const [asked] = s.socket.asked.filter((ask) => ask.event === "message:history");
  const old = s.log.history(asked.payload);
  s.log.lose("anew");
  s.socket.answers["message:history"] = s.log.history;
  s.reset("epoch_changed");
  await s.env.pass(300);
  asked.done(null, { ok: true, ...old });
  await paged;
  await s.env.pass(1_000);

  assert.deepEqual(texts(s.room), ["anew"]);
  assert.equal(s.socket.count("message:history"), 2, "the page, and the newest one instead");
});

test("once a reset is told, no page is put to what will be replaced", async () => {
  const s = await live(300);
  s.log.entries.splice(200, 100);
  for (let i = 201; i <= 250; i++) s.log.say(`other ${i}`);
  s.reset("diverged");
  await s.room.before();
  assert.equal(texts(s.room).length, 50);
  await s.env.pass(300);
  assert.deepEqual([texts(s.room), reason(s)], [all(s.log).slice(-50), "diverged"]);
});

test("a page of another log is how one learns of a reset that nobody told", async () => {
  const s = await live(300);
  s.log.lose("anew");
  await s.room.before();
  assert.equal(texts(s.room).length, 50, "nothing of it is put to the old window");
  await s.env.pass(300);

  assert.deepEqual(texts(s.room), ["anew"]);
  assert.deepEqual([reason(s), s.room.snapshot().hasBefore, s.room.snapshot().hasAfter], ["epoch_changed", false, false]);
});

test("a reset far back in the history leads to the newest page", async () => {
  const s = await live(300);
  await s.room.around(100);
  assert.equal(s.room.snapshot().hasAfter, true);
  s.log.lose("anew", "and more");
  s.socket.tell("message:new", s.log.entries[1]);
  await s.env.pass(300);

  assert.deepEqual(texts(s.room), ["anew", "and more"]);
  assert.equal(s.room.snapshot().hasAfter, false);
});

test("two resets in a row: one reading, and what is there in the end", async () => {
  const s = await live();
  s.log.lose("second");
  s.reset("epoch_changed");
  s.log.lose("third");
  s.reset("epoch_changed");
  await s.env.pass(300);

  assert.deepEqual(texts(s.room), ["third"]);
  assert.equal(s.socket.count("message:history"), 1);
});

// === Part of it is gone

test("truncated on coming back: said, begun anew at the newest page, and paged back from there", async () => {
  const s = await live(10);
  s.socket.drop();
  for (let i = 1; i <= 500; i++) s.log.say(`missed ${i}`);
  s.log.entries = s.log.entries.slice(-100);
  await s.env.pass(2_000);
  s.socket.accept();
  await s.env.pass(300);
  const { truncated, messages, hasBefore, status } = s.room.snapshot();
  assert.deepEqual([truncated, messages.length, hasBefore, status], [true, 100, false, "live"]);

  s.socket.tell("message:new", s.log.say("live"));
  assert.equal(texts(s.room).at(-1), "live");
  await s.env.pass(5_000);
  assert.deepEqual([texts(s.room), s.socket.count("message:history")], [all(s.log), 0]);
});

test("truncated with a message unsent: it follows what there is now", async () => {
  const s = await live(10);
  s.socket.drop();
  const mid = s.room.send("written away");
  for (let i = 1; i <= 500; i++) s.log.say(`missed ${i}`);
  s.log.entries = s.log.entries.slice(-20);
  await s.env.pass(2_000);
  s.socket.accept();
  await s.env.pass(2_000);

  assert.equal(s.room.snapshot().truncated, true);
  assert.deepEqual([s.log.entries.at(-1).mid, texts(s.room)], [mid, all(s.log)]);
});

// === From nothing

test("nobody has ever written: the first of all may be one's own", async () => {
  const s = await live(0);
  s.room.send("first");
  await settled();
  s.socket.tell("message:new", s.log.entries[0]);
  s.socket.tell("message:new", s.log.say("second"));
  await s.env.pass(2_000);

  assert.deepEqual(texts(s.room), ["first", "second"]);
  assert.deepEqual([reason(s), s.socket.count("message:history")], [undefined, 0]);
});

test("nobody had written, and the first was lost: the second brings both, without a reset", async () => {
  const s = await live(0);
  s.log.say("first");
  s.socket.tell("message:new", s.log.say("second"));
  await s.env.pass(300);

  assert.deepEqual(texts(s.room), ["first", "second"]);
  assert.deepEqual([reason(s), s.socket.count("message:history")], [undefined, 1]);
});

test("nobody had written when the connection broke: what came since is there, without a reset", async () => {
  const s = await live(0);
  s.log.say("first");
  await comeBack(s);

  assert.equal(s.socket.asked.find((ask) => ask.event === "room:join").payload.since.epoch, null);
  assert.deepEqual([texts(s.room), reason(s), s.room.snapshot().truncated], [["first"], undefined, false]);
});

test("everything was lost and nobody has written since: empty, and the next message is the first", async () => {
  const s = await live();
  s.log.lose();
  await comeBack(s);
  assert.deepEqual([texts(s.room), reason(s), s.room.snapshot().head], [[], "epoch_changed", 0]);
  s.socket.tell("message:new", s.log.say("first"));
  await s.env.pass(300);

  assert.deepEqual(texts(s.room), ["first"]);
  assert.equal(s.socket.count("message:history"), 0);
});
