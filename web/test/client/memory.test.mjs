// Before nodes that remember little: messages too old to be sent again, a past that is gone, a store that is emptied.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { io } from "socket.io-client";

import { newMid } from "../../client/dist/mid.js";
import { until } from "../../../tests/clients/harness/wait.mjs";
import { line, startCluster, storeLog, when, whenClient } from "./support/cluster.mjs";

const clusters = {};
let cluster;
/** `short`: knows no message again that is older than seconds; `small`: keeps few. */
before(async () => {
  clusters.short = await startCluster(2, { HUBBUB__STORE__IDEMPOTENCY: "5s" });
  clusters.small = await startCluster(2, { HUBBUB__STORE__RETENTION_MESSAGES: "100" });
});
after(() => Promise.all(Object.values(clusters).map((each) => each.close())));

function remembering(which, name, play) {
  test(name, { timeout: 90_000 }, async () => {
    cluster = clusters[which];
    await play();
  });
}

const recount = (who) => Object.keys(who.asked).forEach((event) => delete who.asked[event]);
const has = (who, text) => when(who, (s) => s.messages.some((message) => message.text === text && message.state === "sent"), `${who.name} has "${text}"`);

/** What the client shows is the store's log, to its end; it may begin with what the log has let go of since. */
async function agree(who, lobby) {
  const log = await storeLog(cluster.nodes[1].url, lobby);
  assert.equal(new Set(log.map((entry) => entry.mid)).size, log.length);
  await when(who, (s) => s.pending.length === 0 && s.messages.at(-1)?.seq === log.at(-1)?.seq, `${who.name} is at the end`);
  const shown = who.room.snapshot().messages;
  const most = Math.min(shown.length, log.length);
  assert.deepEqual(shown.slice(-most).map(line), log.slice(-most).map(line));
  assert.deepEqual(shown.map(({ seq }) => seq), shown.map((_, i) => shown[0].seq + i), "without a gap");
  return log;
}

/** An earlier page of a guest, by a stock socket; `again` sends a message once more. */
async function earlier(lobby) {
  const socket = io(`${cluster.nodes[0].url}/chat`, { transports: ["websocket"], forceNew: true, auth: { name: "ada" } });
  const ready = await new Promise((settle) => socket.on("session:ready", settle));
  const ask = (event, payload) => socket.timeout(10_000).emitWithAck(event, { room: lobby, ...payload });
  await ask("room:join", {});
  return {
    session: ready.session,
    id: ready.user.id,
    send: (mid, text) => ask("message:send", { mid, text }),
    close: () => socket.close(),
  };
}

/** The outbox that the earlier page left behind. */
const left = (...entries) => ({ put: async () => {}, delete: async () => {}, adopt: async () => entries, close() {} });

remembering("short", "a message the server does not know again is found in the log: sent once", async () => {
  const lobby = "found";
  const page = await earlier(lobby);
  const bob = await cluster.enter("bob", cluster.nodes[1], { lobby });
  const mid = newMid(Date.now());
  assert.equal((await page.send(mid, "acked into the void")).ok, true);
  // More than one page, so that joining does not bring it.
  for (let i = 0; i < 60; i++) bob.room.send(`later ${i}`);
  await has(bob, "later 59");
  await until(async () => (await page.send(mid, "acked into the void")).error?.code === "expired", "the mid has expired");
  page.close();

  const outbox = left({ mid, room: lobby, text: "acked into the void", at: Date.now(), by: page.id, state: "sending" });
  const ada = await cluster.enter("ada", cluster.nodes[0], { lobby, session: page.session, outbox });
  await when(ada, (s) => s.pending.length === 0 && s.status === "live", "ada's message is settled");
  const log = await agree(ada, lobby);
  assert.equal(log.filter((entry) => entry.text === "acked into the void").length, 1);
  assert.deepEqual(ada.asked, { "room:join": 1, "message:send": 1, "message:history": 1 });
});

remembering("short", "one that never came into the log has failed, and goes again as another", async () => {
  const lobby = "not-found";
  const page = await earlier(lobby);
  const mid = newMid(Date.now() - 60_000);
  assert.equal((await page.send(mid, "never arrived")).error.code, "expired");
  page.close();

  const outbox = left({ mid, room: lobby, text: "never arrived", at: Date.now(), by: page.id, state: "sending" });
  const ada = await cluster.enter("ada", cluster.nodes[1], { lobby, session: page.session, outbox });
  await when(ada, (s) => s.pending[0]?.state === "failed", "ada's message has failed");
  assert.equal(ada.room.snapshot().pending[0].error.code, "expired");
  assert.notEqual(ada.room.retry(mid), mid);
  await has(ada, "never arrived");
  assert.equal((await agree(ada, lobby)).length, 1);
});

remembering("small", "away for longer than anything is kept: truncated, the newest page, and on without a gap", async () => {
  const [ada, bob] = [await cluster.enter("ada", cluster.nodes[0]), await cluster.enter("bob", cluster.nodes[1])];
  ada.room.send("before");
  await has(bob, "before");
  recount(bob);
  bob.proxy.down();
  await when(bob, (s) => s.status === "offline", "bob is offline");
  const much = await earlier("lobby");
  await Promise.all(Array.from({ length: 500 }, (_, i) => much.send(newMid(Date.now()), `missed ${i}`)));
  much.close();
  bob.room.send("written away");
  bob.proxy.up();

  await when(bob, (s) => s.truncated === true && s.status === "live", "bob is told");
  await has(ada, "written away");
  ada.room.send("live again");
  await has(bob, "live again");
  await agree(bob);
  assert.deepEqual(bob.asked, { "room:join": 1, "message:send": 1 });
  assert.ok(!bob.room.snapshot().messages.some(({ text }) => text === "before"));
  while (bob.room.snapshot().hasBefore) await bob.room.before();
  const log = await agree(bob);
  assert.ok(bob.room.snapshot().messages.length >= log.length);
});

remembering("small", "the store comes back empty: a reset for each, and what was not acknowledged is in the new log once", async () => {
  const lobby = "emptied";
  const [ada, bob] = [await cluster.enter("ada", cluster.nodes[0], { lobby }), await cluster.enter("bob", cluster.nodes[1], { lobby })];
  ada.room.send("lost for ever");
  await has(bob, "lost for ever");
  [ada, bob].forEach(recount);

  await cluster.redis.kill();
  cluster.redis.empty();
  const mid = ada.room.send("written in between");
  await whenClient(ada, (s) => s.state === "degraded", "ada knows that something is wrong");
  await cluster.redis.start();

  for (const who of [ada, bob]) {
    await has(who, "written in between");
    await when(who, (s) => s.resetReason !== undefined, `${who.name} is told`);
    const log = await agree(who, lobby);
    assert.deepEqual(log.map((entry) => [entry.seq, entry.mid]), [[1, mid]]);
    assert.deepEqual(who.room.snapshot().messages.map(({ text }) => text), ["written in between"]);
    // One reading for the reset; and one more, if the new log was still empty then.
    assert.ok((who.asked["message:history"] ?? 0) <= 2, `${who.name}: ${JSON.stringify(who.asked)}`);
    assert.equal(who.asked["room:join"] ?? 0, 0);
  }
});
