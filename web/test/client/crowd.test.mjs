// Thirty clients before real nodes, all hit by the same fault: what each asks is counted.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { line, startCluster, storeLog, when } from "./support/cluster.mjs";

const limit = { timeout: 90_000 };
let cluster;
let ada;
let crowd;
before(async () => {
  cluster = await startCluster(2);
  ada = await cluster.enter("ada", cluster.nodes[1]);
  crowd = await Promise.all(Array.from({ length: 30 }, (_, i) => cluster.enter(`one ${i}`, cluster.nodes[0])));
});
after(() => cluster?.close());

const recount = () => crowd.forEach(({ asked }) => Object.keys(asked).forEach((event) => delete asked[event]));
const all = (text) => Promise.all(crowd.map((who) => when(who, (s) => s.status === "live" && s.messages.at(-1)?.text === text && s.messages.at(-1).seq !== undefined, `${who.name} is at "${text}"`)));
const asked = () => crowd.map((who) => JSON.stringify(who.asked));
const each = (counts) => crowd.map(() => JSON.stringify(counts));

async function agree() {
  const log = await storeLog(cluster.nodes[1].url);
  assert.equal(new Set(log.map((entry) => entry.mid)).size, log.length);
  for (const who of crowd) {
    const shown = who.room.snapshot().messages.map(line);
    assert.deepEqual(shown, log.map(line).slice(-shown.length), who.name);
  }
}

test("a message that all thirty lose: one repair each, and no more", limit, async () => {
  recount();
  for (const who of crowd) who.faults.loses = (event, payload) => event === "room:head" || payload.text === "lost";
  for (const text of ["lost", "one", "two", "three"]) ada.room.send(text);
  await all("three");
  await agree();
  assert.deepEqual(asked(), each({ "message:history": 1 }));
  for (const who of crowd) who.faults.loses = () => false;
});

test("a wire that all thirty lose for a while: one join each, and no page", limit, async () => {
  recount();
  crowd.forEach((who) => who.proxy.down());
  await Promise.all(crowd.map((who) => when(who, (s) => s.status === "offline", `${who.name} is offline`)));
  for (let i = 0; i < 50; i++) ada.room.send(`away ${i}`);
  await when(ada, (s) => s.pending.length === 0, "ada has sent everything");
  crowd.forEach((who) => who.proxy.up());
  await all("away 49");
  await agree();
  assert.deepEqual(asked(), each({ "room:join": 1 }));
});

test("the store that is killed under thirty who write: nobody joins again, and few tries are needed", limit, async () => {
  recount();
  await cluster.redis.kill();
  for (const who of crowd) who.room.send(`${who.name} in the dark`);
  await Promise.all(crowd.map((who) => when(who, (s) => s.pending[0]?.error !== undefined, `${who.name} was refused`)));
  await cluster.redis.start();
  await Promise.all(crowd.map((who) => when(who, (s) => s.pending.length === 0, `${who.name} has sent`)));
  ada.room.send("light");
  await all("light");
  await agree();
  for (const who of crowd) {
    const { "message:send": sends, ...others } = who.asked;
    assert.deepEqual(others, {}, who.name);
    assert.ok(sends >= 2 && sends <= 8, `${who.name}: ${sends} sends for one message`);
  }
});

test("the node of all thirty is killed: one join each on the other, and each message once", limit, async () => {
  recount();
  crowd.forEach((who) => who.proxy.lead(cluster.nodes[1].url));
  const killed = cluster.nodes[0].kill();
  for (const who of crowd) who.room.send(`${who.name} meanwhile`);
  await killed;
  await Promise.all(crowd.map((who) => when(who, (s) => s.status === "live" && s.pending.length === 0, `${who.name} has sent`)));
  ada.room.send("the end");
  await all("the end");
  await agree();
  for (const who of crowd) {
    const { "message:send": sends, ...others } = who.asked;
    assert.deepEqual(others, { "room:join": 1 }, who.name);
    assert.ok(sends <= 2, `${who.name}: ${sends} sends for one message`);
  }
});
