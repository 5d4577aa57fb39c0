// The client against three real nodes and Redis, one fault at a time, and what each costs in requests.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { until as waitUntil, within } from "../../../tests/clients/harness/wait.mjs";
import { line, startCluster, storeLog, when, whenClient } from "./support/cluster.mjs";

let cluster;
let number = 0;
const limit = { timeout: 180_000 };
// A beacon would heal by the way what a test waits for, and add to the requests it counts.
before(async () => (cluster = await startCluster(3, { HUBBUB__ROOMS__BEACON: "1h", HUBBUB__ROOMS__POSITION_CHECK: "1h" })));
after(() => cluster?.close());

const enter = (name, node, options) => cluster.enter(`${name}${++number}`, cluster.nodes[node], options);
const has = (text) => (s) => s.messages.some((message) => message.text === text && message.state === "sent");
const until = (who, text) => when(who, has(text), `${who.name} has "${text}"`);
const living = () => cluster.nodes.find((node) => !node.dead);

/** What both have from `from` on is the store's log, each message once, and nothing waits. */
async function agree(...all) {
  const log = await storeLog(living().url);
  assert.equal(new Set(log.map((entry) => entry.mid)).size, log.length);
  for (const who of all) {
    await when(who, (s) => s.pending.length === 0 && s.messages.at(-1)?.seq === log.at(-1).seq, `${who.name} is at the end`);
    const shown = who.room.snapshot().messages.map(line);
    assert.deepEqual(shown, log.map(line).slice(-shown.length), who.name);
  }
  return log;
}
/** What tells that something was said; a beacon does too, whenever it comes. */
const isNews = (event) => event === "message:new" || event === "room:head";
/** Counts anew from here. */
const recount = (who) => Object.keys(who.asked).forEach((event) => delete who.asked[event]);

test("nothing goes wrong: no request but the sends", limit, async () => {
  const [ada, bob] = [await enter("ada", 0), await enter("bob", 1)];
  for (let i = 0; i < 20; i++) (i % 2 ? ada : bob).room.send(`calm ${i}`);

  await Promise.all([until(ada, "calm 19"), until(ada, "calm 18"), until(bob, "calm 19"), until(bob, "calm 18")]);
  await agree(ada, bob);

  for (const { asked } of [ada, bob]) assert.deepEqual(asked, { "room:join": 1, "message:send": 10 });
});

test("one lost broadcast: one gap, one repair", limit, async () => {
  const [ada, bob] = [await enter("ada", 0), await enter("bob", 1)];
  recount(bob);
  bob.faults.loses = (event, payload) => event === "message:new" && payload.text === "gap 3";
  for (let i = 0; i < 8; i++) ada.room.send(`gap ${i}`);

  await until(bob, "gap 7");
  await until(bob, "gap 3");
  await agree(ada, bob);

  assert.deepEqual(bob.asked, { "message:history": 1 });
});

test("a dropped connection: it goes on at its cursor, in one request", limit, async () => {
  const [ada, bob] = [await enter("ada", 0), await enter("bob", 1)];
  const me = bob.client.snapshot().me;
  recount(bob);

  bob.proxy.cut();
  await when(bob, (s) => s.status === "offline", "bob is offline");
  for (let i = 0; i < 30; i++) ada.room.send(`away ${i}`);
  bob.room.send("written offline");
  assert.equal(bob.room.snapshot().messages.at(-1).state, "sending");

  await Promise.all([until(ada, "away 29"), until(bob, "away 29"), until(ada, "written offline")]);
  await agree(ada, bob);
  assert.deepEqual(bob.client.snapshot().me, me);
  assert.deepEqual(bob.asked, { "room:join": 1, "message:send": 1 });
});

test("a lost ack: the same message is sent again, and is there once", limit, async () => {
  const [ada, bob] = [await enter("ada", 0), await enter("bob", 1)];
  recount(ada);

  const lost = ada.proxy.mute();
  const mid = ada.room.send("acked into the void");
  await until(bob, "acked into the void");
  await within(lost, "what her node says to ada is lost");
  assert.equal(ada.room.snapshot().pending[0].mid, mid);
  ada.proxy.unmute();

  await until(ada, "acked into the void");
  await agree(ada, bob);
  // The page of the join already has it: nothing is sent twice.
  assert.deepEqual(ada.asked, { "room:join": 1, "message:send": 1 });
});

test("only the ack is lost: the echo ends the wait", limit, async () => {
  const ada = await enter("ada", 2);
  ada.faults.losesAck = (ack) => ack.dup !== undefined;
  ada.room.send("echoed");
  await until(ada, "echoed");
  await agree(ada);
  assert.deepEqual(ada.asked, { "room:join": 1, "message:send": 1 });
});

test("only the echo is lost: the ack shows it, and one repair brings it", limit, async () => {
  const ada = await enter("ada", 2);
  ada.faults.loses = isNews;
  ada.room.send("acked only");
  await until(ada, "acked only");
  assert.equal(ada.room.snapshot().pending.length, 0);
  assert.equal(ada.asked["message:history"], undefined);
  await when(ada, (s) => s.status === "repairing", "the repair begins");
  await when(ada, (s) => s.status === "live", "the repair ends");
  await agree(ada);
  assert.deepEqual(ada.asked, { "room:join": 1, "message:send": 1, "message:history": 1 });
});

test("ack and echo are lost: it is sent again under the same mid, and is there once", limit, async () => {
  const [ada, bob] = [await enter("ada", 2), await enter("bob", 1)];
  const acks = [];
  ada.faults.loses = isNews;
  ada.faults.losesAck = (ack) => ack.dup !== undefined && acks.push(ack.dup) === 1;
  const mid = ada.room.send("twice asked");
  await when(ada, (s) => s.pending[0]?.error?.code === "timeout", "the first try has timed out");
  await when(ada, (s) => s.status === "repairing", "the repair begins");
  await when(ada, (s) => s.status === "live", "the repair ends");
  const log = await agree(ada, bob);
  assert.deepEqual(acks, [false, true]);
  assert.equal(log.filter((entry) => entry.mid === mid).length, 1);
  assert.equal(ada.asked["message:send"], 2);
  assert.equal(ada.asked["message:history"], 1);
});

test("a long absence is paged to the head", limit, async () => {
  const [ada, bob] = [await enter("ada", 0), await enter("bob", 1)];
  recount(bob);
  bob.leave();
  await when(bob, (s) => s.status === "left", "bob has left");
  for (let i = 0; i < 450; i++) ada.room.send(`long ${i}`);
  await until(ada, "long 449");

  bob.room.join();
  await until(bob, "long 449");
  await agree(ada, bob);
  assert.deepEqual(bob.asked, { "room:leave": 1, "room:join": 1, "message:history": 2 });
});

test("both ways through the pages of a real log", limit, async () => {
  const ada = await enter("ada", 0);
  while (ada.room.snapshot().hasBefore) await ada.room.before(200);
  const log = await agree(ada);
  assert.equal(ada.room.snapshot().messages.length, log.length);

  await ada.room.around(100);
  assert.ok(ada.room.snapshot().messages.some((message) => message.seq === 100));
  while (ada.room.snapshot().hasAfter) await ada.room.after(77);
  await agree(ada);
});

test("typing, people and a new name are heard on another node", limit, async () => {
  const [ada, bob] = [await enter("ada", 0), await enter("bob", 1)];
  bob.room.watchPeople();
  const id = ada.client.snapshot().me.id;
  await when(bob, (s) => s.people?.some((user) => user.id === id), "bob sees ada");

  ada.room.typing();
  await when(bob, (s) => s.typing.some((user) => user.id === id), "bob sees ada type");
  ada.room.stopTyping();
  await when(bob, (s) => s.typing.length === 0, "bob sees ada stop");

  await ada.client.rename("augusta");
  await when(bob, (s) => s.people.some((user) => user.name === "augusta"), "bob sees the new name");
  assert.equal(ada.client.snapshot().me.name, "augusta");
  ada.proxy.cut();
  await whenClient(ada, (s) => s.state === "reconnecting", "ada reconnects");
  await whenClient(ada, (s) => s.state === "ready", "ada is back");
  assert.deepEqual(ada.client.snapshot().me, { id, name: "augusta", role: "guest" });
});

test("a session that is not valid is dropped once, and said", limit, async () => {
  const ada = await enter("ada", 0, { session: "of another server" });
  const { state, why, me } = ada.client.snapshot();
  assert.deepEqual([state, why], ["ready", "session_replaced"]);
  assert.ok(me.id);
});

test("a name that is refused closes the client with the code", limit, async () => {
  const { client } = await cluster.enter("admin", cluster.nodes[0], { live: false });
  await whenClient({ client, name: "admin" }, (s) => s.state === "closed", "the client is closed");
  assert.equal(client.snapshot().why, "reserved");
  await assert.rejects(client.request("room:list", {}), { code: "closed", outcome: "none" });
});

test("a restarted Redis: degraded, then everything arrives once", limit, async () => {
  const [ada, bob] = [await enter("ada", 0), await enter("bob", 1)];
  await cluster.redis.kill();
  for (let i = 0; i < 5; i++) ada.room.send(`while the store is away ${i}`);
  await whenClient(ada, (s) => s.state !== "ready", "ada says that something is wrong");
  await cluster.redis.start();

  await Promise.all([until(ada, "while the store is away 4"), until(bob, "while the store is away 4")]);
  await whenClient(ada, (s) => s.state === "ready", "ada is well again");
  await agree(ada, bob);
  // Nobody was sent away, and what the node missed it has read by itself.
  for (const who of [ada, bob]) assert.deepEqual([who.asked["room:join"], who.asked["message:history"] ?? 0], [1, 0], who.name);
  assert.ok(ada.asked["message:send"] <= 15, `${ada.asked["message:send"]} sends for five messages`);
});

test("no room at the door: it waits, comes back by itself, and does not insist", limit, async () => {
  const [ada, bob] = [await enter("ada", 0), await enter("bob", 1)];
  recount(ada);
  ada.proxy.fill();
  await whenClient(ada, (s) => s.state === "reconnecting", "ada is sent away");
  ada.room.send("written at the door");
  bob.room.send("meanwhile");
  const begun = Date.now();
  await waitUntil(() => ada.proxy.refused() >= 4, "four tries");
  // Waits of 100, 200, 400, 400 ms, half of each left to chance.
  assert.ok(Date.now() - begun >= 400, `four tries in ${Date.now() - begun} ms`);
  ada.proxy.up();

  await Promise.all([until(bob, "written at the door"), until(ada, "meanwhile"), until(ada, "written at the door")]);
  await agree(ada, bob);
  assert.deepEqual(ada.asked, { "room:join": 1, "message:send": 1 });
});

test("a drained node: its clients come back elsewhere when told to", limit, async () => {
  const [ada, bob] = [await enter("ada", 2), await enter("bob", 1)];
  const states = [];
  ada.client.on("state", ({ state, why }) => states.push(`${state} ${why ?? ""}`.trim()));
  ada.proxy.lead(cluster.nodes[0].url);

  await cluster.nodes[2].stop();
  cluster.nodes[2].dead = true;

  await whenClient(ada, (s) => s.state === "ready" && states.length > 0, "ada is back");
  assert.ok(states.includes("reconnecting draining"), states.join(", "));
  ada.room.send("from the other side");
  await until(bob, "from the other side");
  await agree(ada, bob);
});

test("a killed node: both converge on what is left", limit, async () => {
  const [ada, bob] = [await enter("ada", 0), await enter("bob", 1)];
  recount(ada);
  recount(bob);
  for (let i = 0; i < 10; i++) ada.room.send(`before and after ${i}`);
  ada.proxy.lead(cluster.nodes[1].url);
  await cluster.nodes[0].kill();
  cluster.nodes[0].dead = true;
  for (let i = 10; i < 20; i++) ada.room.send(`before and after ${i}`);

  await Promise.all([until(ada, "before and after 19"), until(bob, "before and after 19")]);
  const log = await agree(ada, bob);
  const mine = log.filter((entry) => entry.text.startsWith("before and after")).map((entry) => entry.text);
  assert.deepEqual(mine, Array.from({ length: 20 }, (_, i) => `before and after ${i}`));
  assert.deepEqual(bob.asked, {});
  // At most the one that was on its way is sent again.
  assert.deepEqual([ada.asked["room:join"], ada.asked["message:history"] ?? 0], [1, 0]);
  assert.ok(ada.asked["message:send"] <= 21, `${ada.asked["message:send"]} sends for twenty messages`);
});
