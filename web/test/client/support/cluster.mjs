// Three real nodes on a real Redis that can be restarted, and clients whose requests are counted.
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { io } from "socket.io-client";

import { openClient } from "../../../client/dist/client.js";
import { realEnv } from "../../../client/dist/env.js";
import { startNode } from "../../../../tests/clients/harness/hubbub.mjs";
import { find, freePlace, kill, run } from "../../../../tests/clients/harness/processes.mjs";
import { within } from "../../../../tests/clients/harness/wait.mjs";
import { startProxy } from "./proxy.mjs";

export async function startCluster(count = 3, env = {}) {
  const redis = await startRedis();
  const started = Array.from({ length: count }, (_, i) => startNode({ store: redis.url, name: `node ${i}`, env }));
  const nodes = await Promise.all(started).catch(async (error) => {
    await Promise.all(started.map((start) => start.then((node) => node.kill(), () => {})));
    await redis.stop();
    throw error;
  });
  const [clients, proxies] = [[], []];
  return {
    redis,
    nodes,
    /** A client on a wire of its own to `node`, in the lobby; `asked[event]` counts. */
    async enter(name, node, { lobby = "lobby", live = true, ...options } = {}) {
      const proxy = await startProxy(node.url);
      proxies.push(proxy);
      const asked = {};
      const faults = { loses: () => false, losesAck: () => false };
      const open = (uri, opts) => {
        const socket = io(uri, opts);
        socket.onAnyOutgoing((event) => (asked[event] = (asked[event] ?? 0) + 1));
        // A lost broadcast: the node said it, and it never came.
        const hear = socket.onevent;
        socket.onevent = (packet) => faults.loses(packet.data[0], packet.data[1]) || hear.call(socket, packet);
        const acked = socket.onack;
        socket.onack = (packet) => faults.losesAck(packet.data[0]) || acked.call(socket, packet);
        return socket;
      };
      const client = openClient(
        proxy.url,
        { name, storage: null, ackTimeoutMs: 5_000, ...options, socket: { forceNew: true, transports: ["websocket"], reconnectionDelay: 100, reconnectionDelayMax: 400, timeout: 5_000, ...options.socket } },
        open,
        realEnv,
      );
      clients.push(client);
      const room = client.room(lobby);
      const leave = room.join();
      const entered = { name, client, room, leave, proxy, asked, faults };
      if (live) await when(entered, (s) => s.status === "live", `${name} is live`);
      return entered;
    },
    async close() {
      clients.forEach((client) => client.close());
      await Promise.all(proxies.map((proxy) => proxy.close()));
      await Promise.all(nodes.map((node) => node.kill()));
      await redis.stop();
    },
  };
}

/** Waits until a room's snapshot is as it should be. */
export function when({ room, name, client }, is, what) {
  let stop;
  const seen = new Promise((settle) => {
    const look = () => is(room.snapshot()) && settle();
    stop = room.subscribe(look);
    look();
  });
  const told = () => JSON.stringify({ name, client: client.snapshot(), room: { ...room.snapshot(), messages: room.snapshot().messages.length } });
  return within(seen, what, told).finally(() => stop());
}

/** The same for the client's own snapshot. */
export function whenClient({ client, name }, is, what) {
  let stop;
  const seen = new Promise((settle) => {
    const look = () => is(client.snapshot()) && settle();
    stop = client.subscribe(look);
    look();
  });
  return within(seen, what, () => `${name}: ${JSON.stringify(client.snapshot())}`).finally(() => stop());
}

/** The room's whole log, as the store has it. */
export async function storeLog(url, lobby = "lobby") {
  const client = openClient(url, { name: "auditor", storage: null, socket: { forceNew: true } }, io, realEnv);
  const room = client.room(lobby);
  room.join();
  await when({ room, client, name: "auditor" }, (s) => s.status === "live", "the auditor is live");
  const all = [];
  for (let more = true; more; ) {
    const page = await client.request("message:history", { room: lobby, after: all.at(-1)?.seq ?? 0, limit: 200 });
    all.push(...page.messages);
    more = page.more_after;
  }
  client.close();
  return all;
}

export const line = ({ seq, mid, text }) => `${seq} ${mid} ${text}`;

/** Redis' answer to one command. */
async function ask(host, port, command) {
  const socket = connect(port, host);
  socket.end(`${command}\r\nQUIT\r\n`);
  return Buffer.concat(await socket.toArray()).toString();
}

async function startRedis() {
  const { host, port } = await freePlace();
  const folder = mkdtempSync(join(tmpdir(), "hubbub-redis-"));
  const options = { port, bind: host, dir: folder, appendonly: "yes", save: "" };
  let redis;
  const start = async () => {
    redis = run(find("REDIS_SERVER", "redis-server"), Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]));
    const ready = new Promise((settle) => redis.output.on("data", () => redis.said().includes("Ready to accept connections") && settle()));
    await within(ready, "Redis ready", redis.said);
  };
  await start();
  return {
    url: `redis://${host}:${port}`,
    start,
    /** As a crash would, but for what it has answered and not yet written: on a slow disk those may be two seconds. */
    async kill() {
      await within(ask(host, port, "CONFIG SET appendfsync always"), "Redis has written everything", redis.said);
      await kill(redis);
    },
    async stop() {
      await kill(redis);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
