// Our own protocol on /chat, spoken by a stock client on three nodes.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { NATIVE } from "./harness/client.mjs";
import { CLUSTER, on } from "./harness/stage.mjs";

const ROOM = { room: "lobby" };

/** A native client, let in; `ready` is what `session:ready` said. */
async function enter(stage, node, auth, who = auth.name) {
  const client = await stage.connect(node, { client: NATIVE, namespace: "/chat", who, auth });
  [client.ready] = await client.next("session:ready");
  return client;
}

/** The same, and a member of the lobby; `page` is the ack of joining. */
async function join(stage, node, auth, who) {
  const client = await enter(stage, node, auth, who);
  client.page = await client.get("room:join", ROOM);
  return client;
}

const send = (client, text, mid = randomUUID()) => client.get("message:send", { ...ROOM, text, mid });
const textIs = (text) => (message) => message.text === text;
const has = (people, id) => people.some((person) => (person.id ?? person) === id);

function native(name, play) {
  on(CLUSTER, name, {}, play);
}

// === Coming in

native("the first event says who one is, and where", async (stage) => {
  const [ada, bob] = [await enter(stage, stage.nodes[0], { name: "ada" }), await enter(stage, stage.nodes[1], { name: "bob" })];

  assert.equal(ada.names()[0], "session:ready");
  const { session, user, connection, node, limits, server_time, rooms } = ada.ready;
  assert.equal(user.name, "ada");
  for (const text of [session, user.id, user.role, connection, node]) assert.ok(typeof text === "string" && text);
  assert.ok(Math.abs(server_time - Date.now()) < 60_000);
  assert.deepEqual([typeof limits, rooms], ["object", []]);
  assert.ok(!ada.secrets.includes(connection), "the connection's id is not the socket's");
  assert.notEqual(bob.ready.node, node);
  assert.notEqual(bob.ready.user.id, user.id);
});

native("a session brings the same person back, on any node", async (stage) => {
  const first = await enter(stage, stage.nodes[0], { name: "ada" });
  first.close();

  const back = await enter(stage, stage.nodes[2], { name: "ada", session: first.ready.session });

  assert.deepEqual(back.ready.user, first.ready.user);
  assert.notEqual(back.ready.connection, first.ready.connection);
});

native("a session survives the death of its node", async (stage) => {
  const [dying, living] = stage.nodes;
  const first = await enter(stage, dying, { name: "ada" });

  await dying.kill();
  await first.next("disconnect");

  const back = await enter(stage, living, { name: "ada", session: first.ready.session });
  assert.equal(back.ready.user.id, first.ready.user.id);
});

for (const [why, auth, code] of [
  ["a session that is not ours", { name: "ada", session: "not-a-session" }, "unauthorized"],
  ["a reserved name", { name: "admin" }, "reserved"],
]) {
  native(`${why} is refused at the door, and the refusal says why`, async (stage) => {
    const client = stage.begin(stage.here, { client: NATIVE, namespace: "/chat", who: "refused", auth });

    const [error] = await client.next("connect_error");

    // The library can say no more than a text when it refuses, so the text is the code.
    assert.equal(error.message, code);
  });
}

// === Messages

native("a message reaches a member on another node, and its ack names the same place", async (stage) => {
  const [ada, bob] = [await join(stage, stage.nodes[0], { name: "ada" }), await join(stage, stage.nodes[1], { name: "bob" })];
  const mid = randomUUID();

  const ack = await send(ada, "hello", mid);

  assert.deepEqual([ack.mid, ack.seq, ack.dup], [mid, 1, false]);
  for (const client of [ada, bob]) {
    const [{ room, epoch, seq, ts, user, text, ...message }] = await client.next("message:new");
    assert.deepEqual({ room, epoch, seq, mid: message.mid, ts, text }, { ...ROOM, epoch: ack.epoch, seq: 1, mid, ts: ack.ts, text: "hello" });
    assert.deepEqual({ id: user.id, name: user.name }, { id: ada.ready.user.id, name: "ada" });
  }
});

native("one sender's messages arrive in order, dense and once", async (stage) => {
  const [ada, bob] = [await join(stage, stage.nodes[0], { name: "ada" }), await join(stage, stage.nodes[1], { name: "bob" })];
  const texts = Array.from({ length: 15 }, (_, i) => `text ${i}`);

  const acks = await Promise.all(texts.map((text) => send(ada, text)));

  assert.deepEqual(acks.map((ack) => ack.seq), texts.map((_, i) => i + 1));
  for (const client of [ada, bob]) {
    await client.next("message:new", textIs(texts.at(-1)));
    assert.deepEqual(client.all("message:new").map(([{ seq, text }]) => [seq, text]), texts.map((text, i) => [i + 1, text]));
  }
});

native("a message sent again from another node is the one already there", async (stage) => {
  const ada = await join(stage, stage.nodes[0], { name: "ada" });
  const bob = await join(stage, stage.nodes[2], { name: "bob" });
  const mid = randomUUID();
  const first = await send(ada, "once", mid);
  ada.close();

  const back = await join(stage, stage.nodes[1], { name: "ada", session: ada.ready.session }, "ada, back");
  const again = await send(back, "once", mid);

  assert.deepEqual([again.dup, again.epoch, again.seq, again.ts], [true, first.epoch, first.seq, first.ts]);
  await send(back, "marker");
  await bob.next("message:new", textIs("marker"));
  assert.deepEqual(bob.all("message:new").map(([message]) => message.text), ["once", "marker"]);
});

native("one mid is never two texts", async (stage) => {
  const ada = await join(stage, stage.here, { name: "ada" });
  const mid = randomUUID();
  await send(ada, "once", mid);

  const { ok, error } = await ada.ask("message:send", { ...ROOM, text: "something else", mid });

  assert.deepEqual([ok, error.code, error.retryable], [false, "idempotency_conflict", false]);
});

native("who comes back to another node gets what was missed, and nothing else", async (stage) => {
  const ada = await join(stage, stage.nodes[0], { name: "ada" });
  const bob = await join(stage, stage.nodes[1], { name: "bob" });
  assert.deepEqual([bob.page.head, bob.page.messages, bob.page.reset], [0, [], false]);
  await send(ada, "seen");
  const [{ epoch, seq, mid }] = await bob.next("message:new");
  bob.close();
  for (const text of ["missed 1", "missed 2", "missed 3"]) await send(ada, text);

  const back = await enter(stage, stage.nodes[2], { name: "bob", session: bob.ready.session }, "bob, back");
  const page = await back.get("room:join", { ...ROOM, since: { epoch, seq, mid } });

  assert.deepEqual(page.messages.map((message) => [message.seq, message.text]), [[2, "missed 1"], [3, "missed 2"], [4, "missed 3"]]);
  assert.deepEqual([page.epoch, page.head, page.upto, page.has_more, page.truncated, page.reset], [epoch, 4, 4, false, false, false]);
  await send(ada, "live");
  assert.equal((await back.next("message:new"))[0].seq, 5);
});

native("who comes back from another history is told to begin anew", async (stage) => {
  const ada = await join(stage, stage.here, { name: "ada" });
  const { epoch, seq } = await send(ada, "the only one");

  for (const since of [{ epoch: "otherepoch", seq, mid: randomUUID() }, { epoch, seq: seq + 1, mid: randomUUID() }]) {
    const page = await ada.get("room:join", { ...ROOM, since });
    assert.equal(page.reset, true);
    assert.deepEqual(page.messages.map((message) => message.text), ["the only one"]);
  }
});

// === Refusals

native("every question is answered, also one that makes no sense", async (stage) => {
  const ada = await join(stage, stage.here, { name: "ada" });
  const mid = randomUUID();

  for (const [event, payload, code] of [
    ["message:sned", { ...ROOM, text: "x", mid }, "unknown_event"],
    ["message:send", {}, "bad_request"],
    ["message:send", { ...ROOM, text: "   ", mid }, "bad_request"],
    ["message:send", { ...ROOM, text: "no mid" }, "bad_request"],
  ]) {
    const { ok, error } = await ada.ask(event, payload);
    assert.deepEqual([ok, error?.code, error?.retryable], [false, code, false], `${event} ${JSON.stringify(payload)}`);
    assert.ok(error.message);
  }
  const pong = await ada.get("system:ping", {});
  assert.equal(pong.node, ada.ready.node);
});

native("a refusal without an ack comes as a notice", async (stage) => {
  const ada = await join(stage, stage.here, { name: "ada" });

  ada.emit("message:sned", {});

  assert.equal((await ada.next("error:notice"))[0].code, "unknown_event");
});

// === Who is there, and what they do

native("typing is told on another node, until it stops or the message is sent", async (stage) => {
  const [ada, bob] = [await join(stage, stage.nodes[0], { name: "ada" }), await join(stage, stage.nodes[1], { name: "bob" })];
  const typing = ({ room, users }) => room === "lobby" && has(users, ada.ready.user.id);
  const silence = ({ room, users }) => room === "lobby" && !has(users, ada.ready.user.id);

  for (const end of [() => ada.get("typing:stop", ROOM), () => send(ada, "said")]) {
    bob.forget();
    await ada.get("typing:start", ROOM);
    await bob.next("typing", typing);
    await end();
    await bob.next("typing", silence);
  }
});

native("a new name is told to the others and stands under later messages", async (stage) => {
  const [ada, bob] = [await join(stage, stage.nodes[0], { name: "ada" }), await join(stage, stage.nodes[1], { name: "bob" })];
  const { id } = ada.ready.user;

  bob.forget();
  await ada.get("session:rename", { name: "ada two" });

  await bob.next("presence:changed", ({ changed }) => changed.some((person) => person.id === id && person.name === "ada two"));
  await send(ada, "still me");
  const [{ user }] = await bob.next("message:new");
  assert.deepEqual({ id: user.id, name: user.name }, { id, name: "ada two" });
});

native("members are those who joined, on every node", async (stage) => {
  const ada = await join(stage, stage.nodes[0], { name: "ada" });
  const bob = await join(stage, stage.nodes[1], { name: "bob" });
  await ada.next("presence:changed", ({ joined }) => has(joined, bob.ready.user.id));
  await enter(stage, stage.nodes[2], { name: "outside" });

  const { members, count } = await bob.get("room:members", ROOM);

  assert.deepEqual(members.map(({ id, name }) => `${name} ${id}`).sort(), [ada, bob].map(({ ready: { user } }) => `${user.name} ${user.id}`).sort());
  assert.equal(count, 2);
});

native("a person with two tabs leaves with the last one", async (stage) => {
  const bob = await join(stage, stage.nodes[2], { name: "bob" });
  const tab = await join(stage, stage.nodes[0], { name: "ada" }, "ada's first tab");
  const { id } = tab.ready.user;
  await bob.next("presence:changed", ({ joined }) => has(joined, id));
  const other = await join(stage, stage.nodes[1], { name: "ada", session: tab.ready.session }, "ada's second tab");
  assert.equal(other.ready.user.id, id);

  tab.close();
  const marker = await join(stage, stage.nodes[0], { name: "marker" });
  await bob.next("presence:changed", ({ joined }) => has(joined, marker.ready.user.id));
  const gone = bob.all("presence:changed").filter(([{ left }]) => has(left ?? [], id));
  assert.deepEqual(gone, [], "ada is still there");
  assert.equal((await bob.get("room:members", ROOM)).members.filter((person) => person.id === id).length, 1);

  other.close();
  await bob.next("presence:changed", ({ left }) => has(left, id));
});

native("who leaves the room hears no more of it", async (stage) => {
  const [ada, bob] = [await join(stage, stage.nodes[0], { name: "ada" }), await join(stage, stage.nodes[1], { name: "bob" })];

  // Coming and going at once would be no change at all.
  await ada.next("presence:changed", ({ joined }) => has(joined, bob.ready.user.id));

  await bob.get("room:leave", ROOM);
  await ada.next("presence:changed", ({ left }) => has(left, bob.ready.user.id));
  await send(ada, "unheard");
  await ada.next("message:new", textIs("unheard"));
  bob.page = await bob.get("room:join", ROOM);
  await send(ada, "heard");

  await bob.next("message:new", textIs("heard"));
  assert.deepEqual(bob.all("message:new").map(([message]) => message.text), ["heard"]);
});
