// The recipe in docs/plain-client.md, word for word, while nodes are killed and Redis is restarted; and what version 2 gets.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { randomBytes, randomUUID } from "node:crypto";

import { Client, NATIVE, S4, TRANSPORTS } from "./harness/client.mjs";
import { startProxy } from "./harness/proxy.mjs";
import { CLUSTER, on } from "./harness/stage.mjs";
import { until } from "./harness/wait.mjs";

const require = createRequire(import.meta.url);
const RECIPE = readFileSync(new URL("../../docs/plain-client.md", import.meta.url), "utf8");
const [READS, SENDS] = [...RECIPE.matchAll(/^```js\n([^]*?)^```/gm)].map(([, code]) => code);

/** A UUIDv7, as the recipe asks for. */
function newMid() {
  const time = Date.now().toString(16).padStart(12, "0");
  const chance = randomBytes(9).toString("hex");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${chance.slice(0, 3)}-8${chance.slice(3, 6)}-${chance.slice(6)}`;
}

/** Whoever follows the recipe, on a wire of its own; `shown` is what it has, `joins` what it asked for. */
async function follower(stage, node, { client = NATIVE, transport = "websocket" } = {}) {
  const proxy = await startProxy(node.url);
  const seen = { shown: [], forgot: 0, joins: [] };
  const code = READS.replace("http://localhost:3000", proxy.url).replace('["websocket"]', JSON.stringify(TRANSPORTS[transport]));
  assert.notEqual(code, READS);
  const forget = () => {
    seen.forgot++;
    seen.shown = [];
  };
  // Each follower has a connection of its own, as if it were a program of its own.
  const io = (url, options) => {
    const socket = require(client)(url, { ...options, forceNew: true });
    if (!socket.timeout) socket.timeout = patience(socket);
    const { emit } = socket;
    socket.emit = function (event, ...args) {
      if (event === "room:join") seen.joins.push(args[0].since.seq);
      return emit.call(this, event, ...args);
    };
    return socket;
  };
  const program = new Function("io", "show", "forget", "newMid", "setTimeout", `${code}\n${SENDS}\nreturn { socket, send, readOn };`);
  // A message whose ack was lost is said again for ever, also once the test is over and the socket closed: that must not keep the tests from ending.
  const later = (...args) => setTimeout(...args).unref();
  const { socket, send, readOn } = program(io, (text) => seen.shown.push(text), forget, newMid, later);
  stage.owns({
    close: async () => {
      socket.close();
      await proxy.close();
    },
    told: () => `the follower has ${seen.shown.length}, forgot ${seen.forgot} times, joined after ${seen.joins.join(", ")}; its end: ${seen.shown.slice(-5).join(", ")}`,
  });
  return Object.assign(seen, { socket, send, readOn, proxy });
}

/** What version 3 and 4 have and version 2 has not: an ack that is late is answered with an error. */
const patience = (socket) => (ms) => ({
  emit(event, payload, answered) {
    const late = setTimeout(() => answered?.(new Error("late"), (answered = undefined)), ms);
    socket.emit(event, payload, (ack) => {
      clearTimeout(late);
      answered?.(null, ack);
    });
    return socket;
  },
});

/** The room's whole log, read from the beginning through a node. */
async function log(stage, node) {
  const reader = await stage.connect(node, { client: NATIVE, namespace: "/chat", who: "the auditor", auth: { name: "auditor" } });
  await reader.get("room:join", { room: "lobby" });
  const all = [];
  for (let more = true; more; ) {
    const page = await reader.get("message:history", { room: "lobby", after: all.at(-1)?.seq ?? 0, limit: 200 });
    all.push(...page.messages);
    more = page.more_after;
  }
  return all;
}

const has = (who, text) => until(() => who.shown.includes(text), `"${text}" has come`, () => `${who.shown.length} have, the last is ${who.shown.at(-1)}`);

/** What is said while something breaks: in order, the next when the one before is there. */
function speaker(who, total) {
  const said = [];
  return {
    said,
    async upTo(part) {
      while (said.length < total * part) {
        const text = `message ${said.length}`;
        who.send(text);
        said.push(text);
        await has(who, text);
      }
    },
  };
}

function plain(name, play) {
  on(CLUSTER, name, {}, play);
}

for (const options of [{ transport: "websocket" }, { transport: "upgrade" }, { client: S4 }]) {
  const who = options.client ? "socket.io-client 2.5" : `socket.io-client 4.8, ${options.transport}`;
  plain(`${who}: with the recipe and nothing else, every message once, in order, through kill -9 and a restarted Redis`, async (stage) => {
    const [dying, living, third] = stage.nodes;
    const reader = await follower(stage, dying, options);
    const writer = await follower(stage, living);
    const { said, upTo } = speaker(writer, 120);
    await upTo(1 / 4);
    await has(reader, said.at(-1));

    reader.proxy.lead(third.url);
    const killed = dying.kill();
    await upTo(2 / 4);
    await killed;
    await has(reader, said.at(-1));

    const restarted = stage.redis.kill().then(() => stage.redis.start());
    await upTo(3 / 4);
    await restarted;
    await has(reader, said.at(-1));

    // Both at once, and the reader's new node with them.
    reader.proxy.lead(living.url);
    const both = Promise.all([third.kill(), stage.redis.kill().then(() => stage.redis.start())]);
    await upTo(1);
    await both;
    await has(reader, said.at(-1));

    assert.deepEqual(reader.shown, said);
    assert.deepEqual(writer.shown, said);
    assert.deepEqual([reader.forgot, writer.forgot], [0, 0]);
    assert.deepEqual((await log(stage, living)).map((message) => message.text), said);
    // From nothing: once to come in, once to learn the epoch. After that it always goes on from where it was.
    assert.ok(reader.joins.filter((seq) => seq === 0).length <= 2, reader.joins.join(", "));
    assert.ok(reader.joins.filter((seq) => seq > 0).length >= 2 && reader.joins.length <= 20, reader.joins.join(", "));
  });
}

plain("the recipe catches up over many pages while others go on speaking", async (stage) => {
  const [here, there] = stage.nodes;
  const reader = await follower(stage, here);
  const writer = await stage.connect(there, { client: NATIVE, namespace: "/chat", who: "the writer", auth: { name: "writer" } });
  await writer.get("room:join", { room: "lobby" });
  const said = [];
  const say = async (text) => {
    const { ok, error } = await writer.ask("message:send", { room: "lobby", text, mid: randomUUID() });
    if (ok) said.push(text);
    else assert.equal(error.code, "rate_limited");
  };
  await say("first");
  await has(reader, "first");
  reader.proxy.down();
  await Promise.all(Array.from({ length: 700 }, (_, i) => say(`missed ${i}`)));
  reader.proxy.up();
  while (reader.shown.length < 700) await say(`meanwhile ${said.length}`);
  // A page that is asked for while others speak has messages that come live as well.
  for (let i = 0; i < 100; i++) {
    const saying = [say(`over ${i} a`), say(`over ${i} b`)];
    reader.readOn();
    await Promise.all(saying);
  }
  await until(async () => (await say("the end"), said.at(-1) === "the end"), "the end was said");
  await has(reader, "the end");

  assert.deepEqual(reader.shown, (await log(stage, there)).map((message) => message.text));
  assert.deepEqual([...reader.shown].sort(), [...said].sort());
});

plain("the recipe forgets what is no more: a store that comes back empty is begun anew", async (stage) => {
  const reader = await follower(stage, stage.nodes[0]);
  const writer = await follower(stage, stage.nodes[1]);
  writer.send("of the old log");
  await has(reader, "of the old log");
  await stage.redis.kill();
  stage.redis.empty();
  await stage.redis.start();
  writer.send("of the new log");
  for (const who of [reader, writer]) {
    await has(who, "of the new log");
    assert.deepEqual([who.shown, who.forgot], [["of the new log"], 1]);
  }
});

plain("version 2 in its own dialect: back by itself, nothing twice, and what it missed comes with the connection", async (stage) => {
  const [dying, living] = stage.nodes;
  const proxy = await startProxy(dying.url);
  stage.owns({ close: () => proxy.close(), told: () => "" });
  const reader = stage.owns(new Client(proxy.url, { client: S4, transport: "websocket", who: "version 2", reconnection: true }));
  await reader.opened();
  await reader.next("msg:get");
  const writer = await stage.connect(living, { client: NATIVE, namespace: "/chat", who: "the writer", auth: { name: "writer" } });
  await writer.get("room:join", { room: "lobby" });
  const said = [];
  const say = async (count) => {
    for (let i = 0; i < count; i++) {
      said.push(`message ${said.length}`);
      await writer.get("message:send", { room: "lobby", text: said.at(-1), mid: randomUUID() });
    }
  };
  const heard = () => reader.all("chat message").map(([text, seq]) => `${seq} ${text}`);
  await say(20);
  await reader.next("chat message", (text) => text === said.at(-1));

  proxy.down();
  await dying.kill();
  await reader.next("disconnect");
  const before = heard();
  await say(20);
  reader.forget();
  proxy.lead(living.url);
  proxy.up();
  const [{ msg }] = await reader.next("msg:get");
  assert.deepEqual(msg.map(({ text }) => text).reverse(), said);

  await stage.redis.kill();
  await stage.redis.start();
  await until(async () => (await writer.ask("room:join", { room: "lobby" })).ok, "the store is back");
  await say(20);
  await reader.next("chat message", (text) => text === said.at(-1));
  assert.deepEqual(heard().slice(before.length), said.map((text, i) => `${i + 1} ${text}`).slice(-20));
  assert.deepEqual(before, said.map((text, i) => `${i + 1} ${text}`).slice(0, 20));
});
