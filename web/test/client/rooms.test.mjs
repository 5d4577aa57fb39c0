// How a room reads: the rule for what arrives, repairs and their number, resuming, paging, unread.
import assert from "node:assert/strict";
import { test } from "node:test";

import { refuse, settled, stage, texts } from "./support/fakes.mjs";

async function live(count = 3, options = {}) {
  const s = await stage(options, { accept: false });
  for (let i = 1; i <= count; i++) s.log.say(`m${i}`);
  s.socket.accept();
  s.leave = s.room.join();
  await settled();
  assert.equal(s.room.snapshot().status, "live");
  return s;
}
const all = (log) => log.entries.map((entry) => entry.text);

test("a room nobody has written in adopts its first entry's epoch", async () => {
  const { socket, log, room } = await live(0);

  socket.tell("message:new", log.say("first"));
  await settled();

  assert.deepEqual(texts(room), ["first"]);
  assert.equal(socket.count("message:history"), 0);
});

test("what comes twice is shown once, and what comes late heals without a request", async () => {
  const { env, socket, log, room } = await live();
  const [a, b, c] = [log.say("a"), log.say("b"), log.say("c")];

  for (const entry of [b, a, a, c, b]) socket.tell("message:new", entry);
  await env.pass(5_000);

  assert.deepEqual(texts(room), all(log));
  assert.equal(socket.count("message:history"), 0);
});

test("a gap is repaired by one request, 50 to 250 ms later", async () => {
  const { env, socket, log, room } = await live();
  log.say("lost");
  for (const text of ["x", "y", "z"]) socket.tell("message:new", log.say(text));

  await env.pass(49);
  assert.equal(socket.count("message:history"), 0);
  await env.pass(201);

  assert.equal(socket.count("message:history"), 1);
  assert.deepEqual(texts(room), all(log));
  await env.pass(60_000);
  assert.equal(socket.count("message:history"), 1);
});

test("a beacon shows that the last message was lost", async () => {
  const { env, socket, log, room } = await live();
  const { epoch, seq, mid } = log.say("lost");

  socket.tell("room:head", { room: "lobby", epoch, seq, mid });
  await env.pass(300);

  assert.deepEqual(texts(room), all(log));
  assert.equal(socket.count("message:history"), 1);
});

test("holes in an answer are legal", async () => {
  const { env, socket, log, room } = await live();
  log.say("after a hole", { skip: 4 });
  socket.tell("message:new", log.say("next"));

  await env.pass(60_000);

  assert.deepEqual(texts(room), all(log));
  assert.equal(socket.count("message:history"), 1);
});

test("what is promised and never comes costs a bounded number of requests", async () => {
  const { env, socket, log, room } = await live();

  socket.tell("room:head", { room: "lobby", epoch: log.epoch, seq: 9, mid: null });
  await env.pass(600_000);

  assert.ok(socket.count("message:history") <= 4, `${socket.count("message:history")} requests`);
  assert.equal(room.snapshot().status, "live");
  assert.deepEqual(texts(room), all(log));
});

test("another entry at a number one has resets the room", async () => {
  const { env, socket, log, room } = await live();
  log.entries[2] = { ...log.entries[2], mid: "mid-other-0000000", text: "other" };

  socket.tell("message:new", log.entries[2]);
  await env.pass(300);

  assert.deepEqual(texts(room), ["m1", "m2", "other"]);
  assert.equal(room.snapshot().resetReason, "diverged");
});

test("another epoch resets the room", async () => {
  const { env, socket, log, room } = await live();
  log.entries = [];
  log.epoch = "epoch-02";

  socket.tell("message:new", log.say("anew"));
  socket.tell("message:new", log.say("and more"));
  await env.pass(300);

  assert.deepEqual(texts(room), ["anew", "and more"]);
  assert.equal(room.snapshot().resetReason, "epoch_changed");
  assert.equal(socket.count("message:history"), 1);
});

test("a reset by the server is read anew once", async () => {
  const { env, socket, log, room } = await live();
  log.entries.pop();

  socket.tell("room:reset", { room: "lobby", reason: "rolled_back", head: 2 });
  await env.pass(300);

  assert.deepEqual(texts(room), ["m1", "m2"]);
  assert.equal(room.snapshot().resetReason, "rolled_back");
  assert.equal(socket.count("message:history"), 1);
});

test("after a broken connection a room goes on at its cursor, page by page", async () => {
  const { env, socket, log, room } = await live();
  socket.drop();
  assert.equal(room.snapshot().status, "offline");
  for (let i = 0; i < 450; i++) log.say(`missed ${i}`);

  await env.pass(2_000);
  socket.accept();
  await env.pass(300);

  const { since } = socket.asked.find((ask) => ask.event === "room:join").payload;
  assert.deepEqual(since, { epoch: log.epoch, seq: 3, mid: log.entries[2].mid });
  assert.deepEqual(texts(room), all(log));
  assert.equal(socket.count("message:history"), 2);
  assert.equal(room.snapshot().unread, 450);
});

test("whoever missed more than is kept begins at the newest page, and says so", async () => {
  const { env, socket, log, room } = await live(3, { keep: 200 });
  socket.drop();
  for (let i = 0; i < 900; i++) log.say(`missed ${i}`);

  await env.pass(2_000);
  socket.accept();
  await env.pass(300);

  assert.deepEqual(texts(room), all(log).slice(-50));
  assert.equal(room.snapshot().truncated, true);
  assert.equal(room.snapshot().hasBefore, true);
  assert.equal(socket.count("message:history"), 1);
  assert.equal(room.snapshot().unread, 900);
});

test("what is no longer kept is said to be truncated", async () => {
  const { env, socket, log, room } = await live();
  socket.drop();
  for (let i = 0; i < 20; i++) log.say(`missed ${i}`);
  log.entries = log.entries.slice(-5);

  await env.pass(2_000);
  socket.accept();
  await env.pass(300);

  assert.deepEqual(texts(room), all(log));
  assert.equal(room.snapshot().truncated, true);
});

test("pages go both ways in one window without gaps, and the same page is asked for once", async () => {
  const { env, socket, log, room } = await live(500);
  assert.deepEqual(texts(room), all(log).slice(450));

  await Promise.all([room.before(), room.before()]);
  assert.deepEqual(texts(room), all(log).slice(400));
  assert.equal(socket.count("message:history"), 1);

  await room.around(100);
  assert.deepEqual([room.snapshot().hasBefore, room.snapshot().hasAfter], [true, true]);
  socket.tell("message:new", log.say("meanwhile"));
  await env.pass(300);
  assert.ok(!texts(room).includes("meanwhile"));
  assert.equal(room.snapshot().unread, 1);

  while (room.snapshot().hasAfter) await room.after(200);
  await room.before(200);
  const shown = room.snapshot().messages.map((message) => message.seq);
  assert.deepEqual(shown, Array.from({ length: 501 }, (_, i) => i + 1).slice(-shown.length));
  assert.equal(shown.at(-1), 501);

  await room.around(100);
  await room.latest();
  assert.deepEqual(texts(room), all(log).slice(-50));
});

test("a window is never longer than what is kept", async () => {
  const { socket, log, room } = await live(600, { keep: 200 });

  while (room.snapshot().hasBefore) await room.before(200);
  assert.deepEqual(texts(room), all(log).slice(0, 200));
  assert.equal(room.snapshot().hasAfter, true);

  await room.latest();
  for (let i = 0; i < 300; i++) socket.tell("message:new", log.say(`new ${i}`));
  await settled();
  assert.deepEqual(texts(room), all(log).slice(-200));
});

test("unread counts others after what was read", async () => {
  const { socket, log, room } = await live();
  assert.equal(room.snapshot().unread, 0);

  socket.tell("message:new", log.say("by bob"));
  socket.tell("message:new", log.say("by me", { user: { id: "u1", name: "ada" } }));
  assert.equal(room.snapshot().unread, 1);

  room.markRead();
  assert.deepEqual([room.snapshot().unread, room.snapshot().read], [0, 5]);
});

test("a refused page is thrown with its code, a refused room is denied and its messages fail", async () => {
  const { socket, room } = await live();
  const error = { code: "bad_request", message: "no", retryable: false };
  socket.answers["message:history"] = () => ({ error });
  await assert.rejects(room.around(2), { code: "bad_request" });

  socket.answers["room:join"] = () => ({ error: { code: "not_found", message: "no", retryable: false } });
  socket.drop();
  room.send("into nothing");
  socket.accept();
  await settled();

  const { status, error: why, pending } = room.snapshot();
  assert.deepEqual([status, why.code, pending[0].state], ["denied", "not_found", "failed"]);
});

test("a snapshot is the same object until something changes, and a burst is told once", async () => {
  const { socket, log, room } = await live();
  const before = room.snapshot();
  assert.equal(room.snapshot(), before);
  let told = 0;
  room.subscribe(() => told++);

  for (let i = 0; i < 20; i++) socket.tell("message:new", log.say(`b${i}`));
  await settled();
  assert.equal(told, 1);

  const now = room.snapshot();
  socket.tell("typing", { room: "lobby", users: [{ id: "u2", name: "bob" }, { id: "u1" }], more: 0 });
  assert.equal(room.snapshot().messages, now.messages);
  assert.deepEqual(room.snapshot().typing.map((user) => user.id), ["u2"]);
});

test("joins are counted, and leaving and joining in one go is no leaving", async () => {
  const { env, socket, room, leave } = await live();
  const again = room.join();
  leave();
  leave();
  await env.pass(10);
  assert.equal(room.snapshot().status, "live");

  again();
  room.join()();
  const last = room.join();
  await env.pass(10);
  assert.equal(socket.count("room:leave"), 0);

  last();
  await env.pass(10);
  assert.equal(socket.count("room:leave"), 1);
  assert.equal(room.snapshot().status, "left");
});

test("typing is said every three seconds at most", async () => {
  const { env, socket, room } = await live();
  for (let i = 0; i < 10; i++) {
    room.typing();
    await env.pass(500);
  }
  assert.equal(socket.count("typing:start"), 2);
  room.stopTyping();
  room.stopTyping();
  assert.equal(socket.count("typing:stop"), 1);
});

test("people are loaded once and kept by what is told", async () => {
  const { socket, room } = await live();
  socket.answers["room:members"] = ({ cursor }) =>
    cursor ? { members: [{ id: "u3", name: "cy" }], count: 3 } : { members: [{ id: "u1", name: "ada" }, { id: "u2", name: "bob" }], count: 3, cursor: "u2" };
  room.watchPeople();
  room.watchPeople();
  await settled();
  assert.deepEqual(room.snapshot().people.map((user) => user.name), ["ada", "bob", "cy"]);

  socket.tell("presence:changed", { room: "lobby", joined: [{ id: "u4", name: "dee" }], left: [{ id: "u2" }], changed: [{ id: "u3", name: "zoe" }], count: 3 });
  assert.deepEqual(room.snapshot().people.map((user) => user.name), ["ada", "dee", "zoe"]);
  assert.equal(socket.count("room:members"), 2);
});

test("who is sent out hears so from the room, with the reason, and asks for nothing more", async () => {
  const { env, socket, log, room } = await live();

  socket.tell("room:removed", { room: "lobby", reason: "uninvite" });
  socket.tell("message:new", log.say("not for them"));
  const mid = room.send("too late");
  await env.pass(60_000);

  const { status, removed, error, messages } = room.snapshot();
  assert.deepEqual([status, removed, error.code], ["denied", "uninvite", "removed"]);
  assert.deepEqual(texts(room).slice(0, 3), ["m1", "m2", "m3"]);
  assert.ok(!texts(room).includes("not for them"));
  assert.equal(messages.at(-1).mid, mid);
  assert.equal(socket.count("room:join"), 1);
  assert.equal(socket.count("message:send"), 0);
});

test("who was sent out and asks to come in again is in", async () => {
  const { socket, log, room, leave } = await live();
  socket.tell("room:removed", { room: "lobby", reason: "kick" });
  await settled();
  leave();
  log.say("meanwhile");

  room.join();
  await settled();

  const { status, removed } = room.snapshot();
  assert.deepEqual([status, removed], ["live", undefined]);
  assert.deepEqual(texts(room), all(log));
});

test("who is invited back into a room they were sent out of is in again by themselves", async () => {
  const { socket, log, room } = await live();
  socket.tell("room:removed", { room: "lobby", reason: "uninvite" });
  await settled();
  log.say("meanwhile");

  socket.tell("room:invited", { room: "lobby", role: "member", by: { id: "u2", name: "bob" } });
  await settled();

  assert.equal(room.snapshot().status, "live");
  assert.deepEqual(texts(room), all(log));
});

test("a room says what one is in it: from joining on, when it changes, and when one is refused for it", async () => {
  const { socket, log, room } = await live();
  const me = () => room.snapshot().me;
  assert.deepEqual(me(), { role: "guest" });

  socket.tell("room:me", { room: "lobby", role: "moderator", announce: false });
  assert.deepEqual([me().role, me().muted_until], ["moderator", undefined]);
  socket.tell("room:me", { room: "lobby", role: "member", announce: false, muted_until: 7 });
  assert.deepEqual([me().role, me().muted_until], ["member", 7]);
  socket.tell("room:me", { room: "lobby", role: "member", announce: true });
  assert.deepEqual([me().announce, me().muted_until], [true, 7], "what is not said is as before");
  assert.equal(socket.count("room:join"), 1);

  // The room is another by now, and nobody told.
  socket.answers["message:send"] = refuse("forbidden");
  socket.answers["room:join"] = (ask) => ({ ...log.join(ask), me: { role: "member", announce: true } });
  const mid = room.send("may I?");
  await settled();

  assert.deepEqual(me(), { role: "member", announce: true });
  const { state, error } = room.snapshot().pending.find((one) => one.mid === mid);
  assert.deepEqual([state, error.code], ["failed", "forbidden"]);
  assert.deepEqual([socket.count("room:join"), socket.count("message:send")], [2, 1]);
});
