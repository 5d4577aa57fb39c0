// How messages are sent: in order, one at a time, under one mid until settled, and what a refusal does.
import assert from "node:assert/strict";
import { test } from "node:test";

import { refuse, settled, stage, texts, unavailable } from "./support/fakes.mjs";

async function live(options) {
  const s = await stage(options);
  s.room.join();
  await settled();
  s.sends = () => s.socket.asked.filter((ask) => ask.event === "message:send").map((ask) => ask.payload);
  s.pending = () => s.room.snapshot().pending.map(({ text, state, error }) => [text, state, error?.code]);
  return s;
}

test("a mid is a UUIDv7 of its time", async () => {
  const { env, room } = await live();
  const mid = room.send("a");
  assert.match(mid, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(parseInt(mid.replace("-", "").slice(0, 12), 16), env.now());
});

test("shown at once, one on its way, in order, and an ack ends it", async () => {
  const s = await live();
  s.socket.answers["message:send"] = undefined;
  for (const text of ["a", "b", "c"]) s.room.send(text);
  assert.deepEqual(s.room.snapshot().messages.map((m) => m.state), ["sending", "sending", "sending"]);
  await settled();
  assert.deepEqual(s.sends().map((p) => p.text), ["a"]);

  const ack = s.log.send(s.sends()[0]);
  s.socket.asked.find((ask) => ask.event === "message:send").done(null, { ok: true, ...ack });
  await settled();

  assert.deepEqual(s.sends().map((p) => p.text), ["a", "b"]);
  assert.deepEqual(s.room.snapshot().messages.map((m) => [m.text, m.state, m.seq]), [["a", "sent", 1], ["b", "sending", undefined], ["c", "sending", undefined]]);
  // The echo never comes: one repair, a second later.
  assert.equal(s.socket.count("message:history"), 0);
  await s.env.pass(1_300);
  assert.equal(s.socket.count("message:history"), 1);
  assert.deepEqual(texts(s.room), ["a", "b", "c"]);
});

test("its own echo ends it, and the next goes", async () => {
  const s = await live();
  s.socket.answers["message:send"] = undefined;
  s.room.send("a");
  s.room.send("b");
  await settled();

  s.socket.tell("message:new", s.log.say("a", { mid: s.sends()[0].mid, user: { id: "u1", name: "ada" } }));
  await settled();

  assert.deepEqual(s.sends().map((p) => p.text), ["a", "b"]);
  assert.deepEqual(s.room.snapshot().messages.map((m) => m.state), ["sent", "sending"]);
});

test("what may help is tried again under the same mid, a little after the server says", async () => {
  const s = await live();
  s.socket.answers["message:send"] = refuse("rate_limited", { retryable: true, retry_after_ms: 7_000 });
  const mid = s.room.send("a");
  await settled();
  assert.deepEqual(s.pending(), [["a", "sending", "rate_limited"]]);
  s.socket.answers["message:send"] = s.log.send;

  await s.env.pass(7_000);
  assert.equal(s.sends().length, 1);
  await s.env.pass(3_500);

  assert.deepEqual(s.sends().map((p) => p.mid), [mid, mid]);
  assert.deepEqual(s.pending(), []);
});

test("without an ack it is tried again, ever later, and never given up", async () => {
  const s = await live();
  s.socket.answers["message:send"] = undefined;
  const mid = s.room.send("a");
  await s.env.pass(10_001);
  assert.deepEqual(s.pending(), [["a", "sending", "timeout"]]);
  await s.env.pass(300_000);
  const count = s.sends().length;
  assert.ok(count > 10 && count < 32, `${count} tries`);
  assert.ok(s.sends().every((p) => p.mid === mid));
});

test("what cannot help stays as failed, does not hold up others, and can be taken out", async () => {
  const s = await live();
  s.socket.answers["message:send"] = (p) => (p.text === "bad" ? refuse("too_large")() : s.log.send(p));
  const mid = s.room.send("bad");
  s.room.send("good");
  await settled();
  await s.env.pass(1_300);

  assert.deepEqual(s.pending(), [["bad", "failed", "too_large"]]);
  assert.deepEqual(texts(s.room), ["good", "bad"]);
  assert.equal(s.room.retry(mid), mid);
  await settled();
  assert.deepEqual(s.sends().map((p) => p.mid === mid), [true, false, true]);
  assert.equal(s.room.discard(mid), "bad");
  assert.equal(s.room.discard(mid), undefined);
  assert.deepEqual(s.pending(), []);
});

test("after a break it goes on under the same mid, once", async () => {
  const s = await live();
  s.socket.answers["message:send"] = undefined;
  const mid = s.room.send("a");
  await settled();
  // The node took it; the ack went down with the connection.
  s.log.send(s.sends()[0]);
  s.socket.drop();
  s.socket.answers["message:send"] = s.log.send;
  await s.env.pass(2_000);
  s.socket.accept();
  await s.env.pass(300);

  assert.deepEqual(s.room.snapshot().messages.map((m) => [m.mid, m.state]), [[mid, "sent"]]);
  assert.equal(s.sends().length, 0, "the join's page already had it");
});

test("as another guest nothing is sent twice: it is looked up, then left to its author", async () => {
  const s = await live({ session: "old" });
  s.socket.answers["message:send"] = undefined;
  const mid = s.room.send("mine");
  await settled();
  s.socket.drop();
  s.socket.answers["message:send"] = s.log.send;
  await s.env.pass(2_000);
  s.socket.accept({ user: { id: "u9", name: "ada", role: "guest" } });
  await s.env.pass(300);

  assert.deepEqual(s.pending(), [["mine", "failed", "session_replaced"]]);
  assert.equal(s.sends().length, 0);
  assert.notEqual(s.room.retry(mid), mid);
  await settled();
  assert.equal(s.sends().length, 1);
});

test("whoever is no member any more joins again and goes on", async () => {
  const s = await live();
  let refused = 0;
  s.socket.answers["message:send"] = (p) => (refused++ ? s.log.send(p) : refuse("not_member")());
  s.room.send("a");
  await s.env.pass(2_000);
  assert.equal(s.socket.count("room:join"), 2);
  assert.deepEqual(texts(s.room), ["a"]);
});

test("what an earlier page left is sent without anybody in the room, which is then left", async () => {
  const kept = new Map();
  const entry = { mid: "018bcfe5-6800-7000-8000-000000000000", room: "lobby", text: "from before", at: 1, by: "u1", state: "sending" };
  const outbox = {
    put: async (one) => void kept.set(one.mid, one),
    delete: async (mid) => void kept.delete(mid),
    adopt: async () => [entry],
    close() {},
  };
  kept.set(entry.mid, entry);
  const s = await stage({ outbox });
  await s.env.pass(300);

  assert.deepEqual(s.log.entries.map((one) => one.mid), [entry.mid]);
  assert.equal(kept.size, 0);
  await s.env.pass(2_000);
  assert.equal(s.room.snapshot().status, "left");
});

test("what is written in the same millisecond keeps its order over a reload", async () => {
  const kept = [];
  const nothing = async () => {};
  const outbox = { put: async (one) => void kept.push(one), delete: nothing, adopt: async () => [], close: nothing };
  const s = await stage({ outbox }, { accept: false });
  for (const text of ["a", "b", "c"]) s.room.send(text);
  assert.deepEqual(kept.sort((x, y) => x.at - y.at).map((one) => one.text), ["a", "b", "c"]);
  assert.equal(new Set(kept.map((one) => one.at)).size, 3);
});

test("a store that fails does not stop a message", async () => {
  const broken = () => Promise.reject(new Error("full"));
  const s = await live({ outbox: { put: broken, delete: broken, adopt: broken, close() {} } });
  s.room.send("a");
  await settled();
  assert.deepEqual(s.sends().map((p) => p.text), ["a"]);
});
