// Starts a contender: its own Redis, its processes, each ready before anybody connects.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PATIENCE = 20_000;

export async function withStage(contender, play) {
  const folder = mkdtempSync(join(tmpdir(), "bench-"));
  const running = [];
  try {
    let redis;
    let store;
    if (contender.redis) {
      const port = await freePort();
      redis = `redis://127.0.0.1:${port}`;
      store = run({ command: "redis-server", args: ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--dir", folder, "--client-output-buffer-limit", "pubsub 256mb 64mb 30"].map(String), env: {} });
      running.push(store);
      await answers(port);
    }
    const nodes = [];
    for (let at = 0; at < contender.nodes; at += 1) {
      const port = await freePort();
      const child = run(contender.start(port, redis));
      running.push(child);
      await answers(port, child);
      nodes.push({ pid: child.pid, url: `http://127.0.0.1:${port}` });
    }
    return await play({ nodes, redis, store: store?.pid });
  } finally {
    await Promise.all(running.reverse().map(stop));
    rmSync(folder, { recursive: true, force: true });
  }
}

function run({ command, args, env }) {
  const child = spawn(command, args, { env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env }, stdio: ["ignore", "ignore", "inherit"] });
  child.on("error", (error) => { throw error; });
  return child;
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  // Nobody is connected any more who would have to be told.
  child.kill("SIGKILL");
  await gone;
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function answers(port, child) {
  const until = Date.now() + PATIENCE;
  while (Date.now() < until) {
    if (child && child.exitCode !== null) throw new Error(`a server ended with ${child.exitCode}`);
    const isUp = await new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1", () => { socket.destroy(); resolve(true); });
      socket.once("error", () => resolve(false));
    });
    if (isUp) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nobody listens on port ${port}`);
}
