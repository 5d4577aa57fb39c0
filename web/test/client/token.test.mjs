// Tokens: brought with each attempt, renewed before they end, and what happens when none is to be had.
import assert from "node:assert/strict";
import { test } from "node:test";

import { createClient } from "../../client/dist/index.js";
import { startAlone } from "../../../tests/clients/harness/hubbub.mjs";
import { startIssuer } from "../../../tests/clients/harness/tokens.mjs";
import { until } from "../../../tests/clients/harness/wait.mjs";
import { refuse, settled, stage } from "./support/fakes.mjs";

const now = ({ client }) => [client.snapshot().state, client.snapshot().why];
const begin = async (options) => {
  const s = await stage({ name: "ada", ...options }, { accept: false });
  const told = [];
  s.client.on("error", ({ code }) => told.push(code));
  await settled();
  return { ...s, told };
};
const member = (token) => ({ session: null, user: { id: "u1", name: "ada", role: "member" }, ...token });
const expire = async ({ socket }) => {
  socket.tell("system:notice", { code: "expired", reconnect: false, after_ms: 0 });
  socket.drop("io server disconnect");
  await settled();
};
/** Gives one after the other; what is an error is thrown. */
const giving = (...answers) => {
  const give = () => {
    give.asked++;
    const next = answers.length > 1 ? answers.shift() : answers[0];
    if (next instanceof Error) throw next;
    return next;
  };
  give.asked = 0;
  return give;
};

test("a token goes with each attempt, and is kept nowhere", async () => {
  const kept = new Map();
  const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value), removeItem: (key) => kept.delete(key) };
  const s = await begin({ token: "t1", storage });
  assert.deepEqual(s.socket.auth(), { name: "ada", token: "t1" });
  s.socket.accept();
  s.socket.drop();
  await s.env.pass(2_000);
  assert.deepEqual(s.socket.auth(), { name: "ada", session: "s1", token: "t1" });
  assert.deepEqual([...kept.values()], ["s1"]);
});

test("a function is asked anew with each attempt, and nothing is sent before it answers", async () => {
  let answer;
  const s = await begin({ token: () => new Promise((settle) => (answer = settle)) });
  assert.deepEqual([s.socket.connects, now(s)], [0, ["connecting", undefined]]);
  answer("t1");
  await settled();
  assert.deepEqual([s.socket.connects, s.socket.auth().token], [1, "t1"]);
  s.socket.accept(member());
  s.socket.drop();
  await s.env.pass(2_000);
  assert.equal(s.socket.connects, 1);
  answer(undefined);
  await settled();
  assert.deepEqual([s.socket.connects, s.socket.auth().token], [2, undefined]);
});

for (const [how, broken] of [["throws", () => { throw new Error("sign-in is down"); }], ["rejects", () => Promise.reject(new Error("sign-in is down"))]]) {
  test(`a function that ${how}: told by its code, and asked again later`, async () => {
    let give = broken;
    const failures = [];
    const s = await stage({ token: () => give() }, { accept: false });
    s.client.on("error", (failure) => failures.push(failure));
    await settled();
    assert.deepEqual(failures.map(({ code, message, retryable, outcome }) => [code, message, retryable, outcome]), [["token_failed", "Error: sign-in is down", true, "none"]]);
    assert.deepEqual([now(s), s.socket.connects], [["reconnecting", "token_failed"], 0]);
    assert.equal(s.client.snapshot().retryInMs, 1_000);
    await s.env.pass(1_000);
    assert.deepEqual([failures.length, s.client.snapshot().retryInMs], [2, 2_000]);
    give = () => "t1";
    await s.env.pass(2_000);
    s.socket.accept(member());
    assert.deepEqual([now(s), s.socket.auth().token, failures.length], [["ready", undefined], "t1", 2]);
  });
}

test("a function that never answers has failed after 30 s, and what it says then is not heard", async () => {
  const answers = [];
  const s = await begin({ token: () => new Promise((settle) => answers.push(settle)) });
  await s.env.pass(29_999);
  assert.deepEqual([s.told, now(s)], [[], ["connecting", undefined]]);
  await s.env.pass(1);
  assert.deepEqual([s.told, now(s)], [["token_failed"], ["reconnecting", "token_failed"]]);
  answers[0]("late");
  await settled();
  assert.equal(s.socket.connects, 0);
  await s.env.pass(1_000);
  answers[1]("t2");
  await settled();
  assert.deepEqual([s.socket.connects, s.socket.auth().token], [1, "t2"]);
});

test("before a token ends the function is asked, and one goes on under its answer on the same connection", async () => {
  const give = giving("t1", "t2");
  const s = await begin({ token: give });
  const end = s.env.now() + 600_000;
  s.socket.answers["session:refresh"] = () => ({ user: { id: "u1", name: "ada", role: "moderator" }, expires_at: end + 5_000 });
  s.socket.accept({ ...member(), ahead: 5_000, expires_at: end - 540_000 + 5_000 });
  assert.deepEqual([s.client.snapshot().token, s.client.snapshot().me.role], [{ endsAt: end - 540_000, ending: false }, "member"]);
  s.socket.tell("session:expiring", { in_ms: 60_000 });
  assert.deepEqual(s.client.snapshot().token, { endsAt: end - 540_000, ending: true });
  await settled();
  assert.deepEqual(s.socket.asked.filter(({ event }) => event === "session:refresh").map(({ payload }) => payload), [{ token: "t2" }]);
  assert.deepEqual([now(s), s.client.snapshot().token, s.client.snapshot().me.role], [["ready", undefined], { endsAt: end, ending: false }, "moderator"]);
  assert.deepEqual([give.asked, s.told], [2, []]);
  s.socket.drop();
  assert.equal(s.client.snapshot().token, undefined);
});

test("an answer that comes after the connection is gone is not sent on the next one", async () => {
  let answer;
  const answers = ["t1", new Promise((settle) => (answer = settle)), "t3"];
  const s = await begin({ token: () => answers.shift() });
  s.socket.accept(member());
  s.socket.tell("session:expiring", { in_ms: 60_000 });
  s.socket.drop();
  await s.env.pass(2_000);
  s.socket.accept(member());
  answer("t2");
  await settled();
  assert.deepEqual([s.socket.count("session:refresh"), s.socket.auth().token, s.told], [0, "t3", []]);
});

test("a string runs out: said before, and closed with the server's word", async () => {
  const s = await begin({ token: "t1" });
  s.socket.accept(member());
  s.socket.tell("session:expiring", { in_ms: 60_000 });
  await settled();
  assert.deepEqual([s.client.snapshot().token.ending, s.socket.count("session:refresh")], [true, 0]);
  await expire(s);
  assert.deepEqual(now(s), ["closed", "expired"]);
});

test("a function that has none newer: nothing is sent twice, and closed with the server's word", async () => {
  for (const last of ["t1", undefined]) {
    const give = giving("t1", "t1", last);
    const s = await begin({ token: give });
    s.socket.accept(member());
    s.socket.tell("session:expiring", { in_ms: 60_000 });
    await settled();
    assert.deepEqual([give.asked, s.socket.count("session:refresh")], [2, 0]);
    await expire(s);
    await s.env.pass(2_000);
    assert.deepEqual([now(s), s.socket.connects, give.asked], [["closed", "expired"], 1, 3]);
  }
});

test("what failed before the end is tried again after it", async () => {
  const s = await begin({ token: giving("t1", new Error("sign-in is down"), new Error("still"), "t2") });
  s.socket.accept(member());
  s.socket.tell("session:expiring", { in_ms: 60_000 });
  await settled();
  assert.deepEqual([s.told, now(s)], [["token_failed"], ["ready", undefined]]);
  await expire(s);
  assert.deepEqual(now(s), ["reconnecting", "expired"]);
  await s.env.pass(1_000);
  assert.deepEqual([s.told.length, now(s)], [2, ["reconnecting", "token_failed"]]);
  await s.env.pass(2_000);
  s.socket.accept(member());
  assert.deepEqual([now(s), s.socket.auth().token], [["ready", undefined], "t2"]);
});

test("a refused renewal is told, and the connection stays", async () => {
  const s = await begin({ token: giving("t1", "of another") });
  s.socket.answers["session:refresh"] = refuse("forbidden");
  s.socket.accept(member());
  s.socket.tell("session:expiring", { in_ms: 60_000 });
  await settled();
  assert.deepEqual([s.told, now(s), s.client.snapshot().token.ending], [["forbidden"], ["ready", undefined], true]);
});

test("one brings a new token oneself: it goes with the next attempts, a refused one does not", async () => {
  const s = await begin({ token: "t1" });
  await assert.rejects(s.client.refresh("t2"), { code: "disconnected" });
  s.socket.accept(member());
  s.socket.answers["session:refresh"] = refuse("unauthorized");
  await assert.rejects(s.client.refresh("wrong"), { code: "unauthorized" });
  assert.equal(s.socket.auth().token, "t1");
  s.socket.answers["session:refresh"] = () => ({ user: { id: "u1", name: "ada", role: "admin" } });
  await s.client.refresh("t2");
  assert.equal(s.client.snapshot().me.role, "admin");
  s.socket.drop();
  await s.env.pass(2_000);
  assert.equal(s.socket.auth().token, "t2");
});

test("a token that is refused at the door is the end, and costs nobody their session", async () => {
  const kept = new Map([["hubbub:session:http://x", "mine"]]);
  const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value), removeItem: (key) => kept.delete(key) };
  const s = await begin({ token: "wrong", storage });
  s.socket.refuse("unauthorized");
  // Either may be what is wrong: once more, by the token alone.
  await s.env.pass(600);
  assert.deepEqual(s.socket.auth(), { name: "ada", token: "wrong" });
  s.socket.refuse("unauthorized");
  assert.deepEqual([now(s), s.told, [...kept.values()]], [["closed", "unauthorized"], ["unauthorized"], ["mine"]]);
});

test("closed while the function is asked: nothing follows", async () => {
  let answer;
  const s = await begin({ token: () => new Promise((settle) => (answer = settle)) });
  s.client.close();
  answer("t1");
  await s.env.pass(60_000);
  assert.deepEqual([s.socket.connects, s.told, now(s)], [0, [], ["closed", "closed"]]);
});

test("before a real node: renewed on one connection, taken along to the next, and closed when there is none newer", { timeout: 180_000 }, async () => {
  const issuer = startIssuer();
  const server = await startAlone({ env: issuer.env });
  const [node] = server.nodes;
  const tokens = ["30m", "8h", "9h"].map((expires) => issuer.mint("ada", { expires, role: "moderator" }));
  const seen = [];
  const client = createClient(node.url, { storage: null, token: () => (tokens.length > 1 ? tokens.shift() : tokens[0]), socket: { transports: ["websocket"] } });
  const told = [];
  client.on("error", ({ code }) => told.push(code));
  client.on("session:ready", ({ connection }) => seen.push(connection));
  const hours = () => ((client.snapshot().token?.endsAt ?? 0) - Date.now()) / 3_600_000;
  try {
    await until(() => hours() > 7, "the second token is in force", () => JSON.stringify(client.snapshot()));
    assert.deepEqual([client.snapshot().me, client.snapshot().token.ending, seen.length], [{ id: "ada", name: "ada", role: "moderator" }, false, 1]);
    await node.kill();
    await node.start();
    client.retryNow();
    await until(() => hours() > 8, "the third one is in force", () => JSON.stringify(client.snapshot()));
    assert.deepEqual([seen.length, told], [2, []]);
    tokens[0] = issuer.mint("ada", { expires: "5s" });
    await client.refresh(tokens[0]);
    await until(() => client.snapshot().state === "closed", "the client is closed", () => JSON.stringify(client.snapshot()));
    assert.deepEqual([client.snapshot().why, seen.length, told], ["expired", 2, []]);
  } finally {
    client.close();
    await node.kill();
    await server.close();
    issuer.close();
  }
});
