// The real server and a real Redis as child processes: one node alone, or several in a cluster.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { find, freePlace, kill, run } from "./processes.mjs";
import { until, within } from "./wait.mjs";

export const BINARY = process.env.HUBBUB_BIN ?? fileURLToPath(new URL("../../../target/debug/hubbub", import.meta.url));

/** One node; it can be stopped, killed, and started again on the same addresses and store. */
class Node {
  #process;
  #said = "";

  constructor({ name, listen, internal, store, env }) {
    this.name = name;
    this.url = `http://${listen}`;
    this.internal = `http://${internal}`;
    this.env = {
      HUBBUB__SERVER__LISTEN: listen,
      HUBBUB__INTERNAL__LISTEN: internal,
      HUBBUB__STORE__URL: store,
      // Nothing balances these nodes, so there is nothing to wait for when one goes away.
      HUBBUB__DRAIN__BALANCER_LAG: "0s",
      HUBBUB__DRAIN__SPREAD: "100ms",
      ...env,
    };
  }

  async start() {
    assert.ok(existsSync(BINARY), `there is no server at ${BINARY}: build it, or say where it is with HUBBUB_BIN`);
    this.#process = run(BINARY, ["serve"], { env: this.env });
    const ended = this.#process.ended.then((code) => assert.fail(`${this.name} ended while starting, with ${code}\n${this.said}`));
    ended.catch(() => {});
    const ready = until(async () => (await fetch(`${this.internal}/readyz`).catch(() => undefined))?.ok, `${this.name} ready`, () => this.said);
    await Promise.race([ready, ended]);
    return this;
  }

  /** SIGTERM: the node drains, and exits with 0. */
  async stop() {
    if (!this.#process) return;
    this.#process.signal("SIGTERM");
    const code = await within(this.#process.ended, `${this.name} ended after SIGTERM`, () => this.said);
    assert.equal(code, 0, `${this.name} ends with 0 on SIGTERM\n${this.said}`);
    this.#keepWords();
  }

  /** SIGKILL: the node is gone in the middle of whatever it did. */
  async kill() {
    if (!this.#process) return;
    await kill(this.#process);
    this.#keepWords();
  }

  #keepWords() {
    this.#said = this.said;
    this.#process = undefined;
  }

  /** What it wrote, over all its starts. */
  get said() {
    return this.#said + (this.#process?.said() ?? "");
  }
}

/** A node on loopback ports of its own, started and ready. */
export async function startNode({ store, name = "node", env }) {
  const [listen, internal] = [await freePlace(), await freePlace()].map(({ host, port }) => `${host}:${port}`);
  return new Node({ name, listen, internal, store, env }).start();
}

/** Redis' answer to one command. */
async function ask(host, port, command) {
  const socket = connect(port, host);
  socket.end(`${command}\r\nQUIT\r\n`);
  return Buffer.concat(await socket.toArray()).toString();
}

/** A Redis that keeps every write, in a folder of its own; it can be killed, and started again with what it kept. */
export async function startRedis() {
  const { host, port } = await freePlace();
  const folder = mkdtempSync(join(tmpdir(), "hubbub-redis-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const rules = readFileSync(new URL("../../../deploy/redis/node.acl", import.meta.url), "utf8").trim().split("\n").filter((line) => !line.startsWith("#"));
  const asNode = ["--user", "node", "on", ">secret", ...rules];
  const options = { port, bind: host, dir: folder, appendonly: "yes", save: "" };
  let redis;
  const start = async () => {
    redis = run(find("REDIS_SERVER", "redis-server"), [...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]), ...asNode]);
    const ready = new Promise((settle) => redis.output.on("data", () => redis.said().includes("Ready to accept connections") && settle()));
    const ended = redis.ended.then((code) => assert.fail(`Redis ended while starting, with ${code}\n${redis.said()}`));
    ended.catch(() => {});
    await within(Promise.race([ready, ended]), "Redis ready", redis.said);
  };
  await start();
  return {
    url: `redis://node:secret@${host}:${port}`,
    start,
    /** As a crash would, but for what it has answered and not yet written: on a slow disk those may be two seconds. */
    async kill() {
      await within(ask(host, port, "CONFIG SET appendfsync always"), "Redis has written everything", redis.said);
      await kill(redis);
    },
    /** What it has written is gone: a new, empty volume. */
    empty: () => readdirSync(folder).forEach((name) => rmSync(join(folder, name), { recursive: true })),
    stop: async () => {
      await kill(redis);
      remove();
    },
  };
}

/** `count` nodes on one Redis. */
export async function startCluster(count, env) {
  const redis = await startRedis();
  const started = await Promise.allSettled(
    Array.from({ length: count }, (_, i) => startNode({ store: redis.url, name: `node ${i}`, env })),
  );
  const nodes = started.filter((start) => start.status === "fulfilled").map((start) => start.value);
  const failed = started.find((start) => start.status === "rejected");
  if (failed) {
    await Promise.all(nodes.map((node) => node.kill()));
    await redis.stop();
    throw failed.reason;
  }
  return { nodes, redis, close: () => redis.stop() };
}

/** One node on the embedded store. */
export async function startAlone({ env } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "hubbub-store-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    const node = await startNode({ store: `embedded:${join(folder, "hubbub.redb")}`, env });
    return { nodes: [node], close: async () => remove() };
  } catch (error) {
    remove();
    throw error;
  }
}
