// How the connection stands: each state is entered and left when it is true, and only then.
import assert from "node:assert/strict";
import { test } from "node:test";

import { settled, stage, unavailable } from "./support/fakes.mjs";

const now = ({ client }) => [client.snapshot().state, client.snapshot().why];
const begin = (options) => stage(options, { accept: false });

test("ready comes with session:ready, and not with the socket", async () => {
  const s = await begin({ name: "ada" });
  assert.deepEqual(now(s), ["connecting", undefined]);
  assert.deepEqual([s.socket.uri, s.socket.auth()], ["http://x/chat", { name: "ada" }]);
  s.socket.tell("connect");
  assert.deepEqual(now(s), ["connecting", undefined]);
  s.socket.accept();
  assert.deepEqual(now(s), ["ready", undefined]);
  assert.deepEqual([s.client.snapshot().me, s.client.snapshot().node], [{ id: "u1", name: "ada", role: "guest" }, "n1"]);
});

test("tries come ever later, say when, and can be had at once", async () => {
  const s = await begin();
  const waits = [];
  for (let i = 0; i < 5; i++) {
    s.socket.fail();
    const { state, retryInMs, retryAt } = s.client.snapshot();
    assert.deepEqual([state, retryAt], ["reconnecting", s.env.now() + retryInMs]);
    waits.push(retryInMs);
    const before = s.socket.connects;
    if (i === 4) s.client.retryNow();
    else await s.env.pass(retryInMs);
    assert.equal(s.socket.connects, before + 1);
    assert.equal(s.client.snapshot().retryInMs, undefined, "while trying there is nothing to wait for");
  }
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 5_000, 5_000]);
  s.client.retryNow();
  assert.equal(s.socket.connects, 6, "one attempt at a time");
});

test("after the server closed it comes back by itself, not before the notice says", async () => {
  const s = await begin();
  s.socket.accept();
  s.socket.tell("system:notice", { code: "draining", reconnect: true, after_ms: 3_000 });
  assert.equal(s.client.snapshot().state, "ready");
  await s.env.pass(1_000);
  s.socket.drop("io server disconnect");
  assert.deepEqual(now(s), ["reconnecting", "draining"]);
  const { retryInMs } = s.client.snapshot();
  assert.ok(retryInMs >= 2_000 && retryInMs <= 2_500, String(retryInMs));
  const before = s.socket.connects;
  await s.env.pass(2_500);
  assert.equal(s.socket.connects, before + 1);
});

test("a notice that says not to come back closes", async () => {
  const s = await begin();
  s.socket.accept();
  s.socket.tell("system:notice", { code: "refused", reconnect: false, after_ms: 0 });
  s.socket.drop("io server disconnect");
  assert.deepEqual(now(s), ["closed", "refused"]);
});

test("a session is kept, sent, and dropped once when it is not valid", async () => {
  const kept = new Map([["hubbub:session:http://x", "old"]]);
  const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value), removeItem: (key) => kept.delete(key) };
  const s = await begin({ storage });
  assert.deepEqual(s.socket.auth(), { session: "old" });

  s.socket.refuse("unauthorized");
  assert.deepEqual([s.socket.auth(), kept.size], [{}, 0]);
  await s.env.pass(600);
  s.socket.accept({ session: "new" });
  assert.deepEqual(now(s), ["ready", "session_replaced"]);
  assert.deepEqual([...kept.values()], ["new"]);

  s.socket.drop();
  await s.env.pass(2_000);
  s.socket.accept({ session: "new" });
  assert.deepEqual(now(s), ["ready", undefined]);
});

test("unauthorized without a session, or twice, is the end", async () => {
  const s = await begin({ session: "bad" });
  s.socket.refuse("unauthorized");
  await s.env.pass(600);
  s.socket.refuse("unauthorized");
  assert.deepEqual(now(s), ["closed", "unauthorized"]);
});

for (const code of ["bad_request", "reserved"]) {
  test(`${code} at the door is the end, and is told`, async () => {
    const s = await begin();
    const told = [];
    s.client.on("error", (failure) => told.push(failure.code));
    s.socket.refuse(code);
    assert.deepEqual([now(s), told], [["closed", code], [code]]);
    await s.env.pass(60_000);
    assert.equal(s.socket.connects, 1);
  });
}

test("unavailable at the door is tried again", async () => {
  const s = await begin();
  s.socket.refuse("unavailable");
  assert.deepEqual(now(s), ["reconnecting", "unavailable"]);
});

test("an overdue answer is slow, and any answer ends that", async () => {
  const s = await begin();
  s.socket.accept();
  s.socket.answers["system:ping"] = undefined;
  const late = s.client.request("system:ping", {});
  await s.env.pass(4_000);
  assert.deepEqual(now(s), ["degraded", "slow"]);
  s.socket.asked.at(-1).done(null, { ok: true, node: "n", server_time: 1 });
  assert.equal((await late).server_time, 1);
  assert.deepEqual(now(s), ["ready", undefined]);
});

test("what nobody answers is asked about until somebody does", async () => {
  const s = await begin();
  s.socket.accept();
  s.socket.answers["room:list"] = s.socket.answers["system:ping"] = undefined;
  await Promise.all([assert.rejects(s.client.rooms(), { code: "timeout", outcome: "unknown", retryable: true }), s.env.pass(10_000)]);
  assert.deepEqual(now(s), ["degraded", "slow"]);
  assert.equal(s.socket.count("system:ping"), 1);
  s.socket.asked.at(-1).done(null, { ok: true });
  assert.deepEqual(now(s), ["ready", undefined]);
});

test("a store that does not answer degrades for as long as anybody waits for it", async () => {
  const s = await begin();
  const { join } = s.log;
  s.socket.answers["room:join"] = unavailable();
  s.socket.accept();
  s.room.join();
  await settled();
  assert.deepEqual(now(s), ["degraded", "server"]);
  assert.equal(s.room.snapshot().error.code, "unavailable");
  s.socket.answers["room:join"] = join;
  await s.env.pass(1_000);
  assert.equal(s.socket.count("room:join"), 1, "not before the server said");
  await s.env.pass(500);
  assert.deepEqual(now(s), ["ready", undefined]);
  assert.deepEqual([s.room.snapshot().status, s.room.snapshot().error], ["live", undefined]);
});

test("the server's word on its store: degraded until restored, and no reason to stay away", async () => {
  const s = await begin();
  const say = (code) => s.socket.tell("system:notice", { code, reconnect: false, after_ms: 0 });
  s.socket.accept();
  say("degraded");
  assert.deepEqual(now(s), ["degraded", "server"]);
  await s.client.request("system:ping", {});
  assert.deepEqual(now(s), ["degraded", "server"], "that the node answers says nothing about its store");
  const late = assert.rejects(s.client.rooms(), { code: "timeout" });
  await Promise.all([late, s.env.pass(10_000)]);
  assert.deepEqual(now(s), ["degraded", "server"]);
  say("restored");
  assert.deepEqual(now(s), ["ready", undefined]);

  say("degraded");
  s.socket.drop();
  assert.deepEqual(now(s), ["reconnecting", "lost"]);
  await s.env.pass(2_000);
  s.socket.accept();
  assert.deepEqual(now(s), ["ready", undefined]);
});

test("messages are tried while degraded, and go at once when the store is back", async () => {
  const s = await begin();
  s.socket.accept();
  s.room.join();
  await settled();
  s.socket.tell("system:notice", { code: "degraded", reconnect: false, after_ms: 0 });
  s.socket.answers["message:send"] = unavailable();
  s.room.send("a");
  await s.env.pass(60_000);
  const before = s.socket.count("message:send");
  assert.ok(before > 5 && before < 30, `${before} sends in a minute`);
  s.socket.answers["message:send"] = s.log.send;
  s.socket.tell("system:notice", { code: "restored", reconnect: false, after_ms: 0 });
  await s.env.pass(1_000);
  assert.deepEqual([s.socket.count("message:send"), s.room.snapshot().pending.length, now(s)], [before + 1, 0, ["ready", undefined]]);
});

test("a room that waits to be joined goes on when another request shows that the store is back", async () => {
  const s = await begin();
  const { join } = s.log;
  s.socket.answers["room:join"] = unavailable();
  s.socket.accept();
  s.room.join();
  await s.env.pass(60_000);
  assert.deepEqual([s.room.snapshot().status, now(s)], ["joining", ["degraded", "server"]]);
  s.socket.answers["room:join"] = join;
  s.socket.answers["room:list"] = () => ({ rooms: [] });
  await s.client.rooms();
  await s.env.pass(1_000);
  assert.equal(s.room.snapshot().status, "live");
});

test("a request throws what was refused, and is never repeated", async () => {
  const s = await begin();
  await assert.rejects(s.client.request("room:list", {}), { code: "disconnected", outcome: "none" });
  s.socket.accept();
  s.socket.answers["room:list"] = () => ({ error: { code: "rate_limited", message: "wait", retryable: true, retry_after_ms: 5 } });
  await assert.rejects(s.client.request("room:list", {}), { name: "HubbubError", code: "rate_limited", retryAfterMs: 5 });
  await s.env.pass(60_000);
  assert.equal(s.socket.count("room:list"), 1);
  const cut = s.client.request("room:members", { room: "lobby" });
  s.socket.drop();
  await assert.rejects(cut, { code: "disconnected", outcome: "unknown" });
  s.client.close();
  await assert.rejects(s.client.request("room:list", {}), { code: "closed" });
});

test("close is the end of everything", async () => {
  const s = await begin();
  s.socket.accept();
  s.room.join();
  await settled();
  s.client.close();
  assert.deepEqual([now(s), s.room.snapshot().status, s.socket.connected], [["closed", "closed"], "offline", false]);
  await s.env.pass(600_000);
  assert.equal(s.socket.connects, 1);
});
