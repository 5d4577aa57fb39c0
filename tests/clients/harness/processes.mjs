// Child processes that never outlive the tests: ended by handle, never by name.
import { spawn } from "node:child_process";
import { createServer } from "node:net";

import { within } from "./wait.mjs";

const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

/** Starts a program; `said` collects what it wrote, `ended` settles with its exit code or signal. */
export function run(program, args, { env = {}, cwd } = {}) {
  const child = spawn(program, args, { env: { ...process.env, ...env }, cwd, stdio: ["ignore", "pipe", "pipe"] });
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => said.push(text));
  running.add(child);
  const ended = new Promise((settle) => {
    child.once("error", (error) => settle(`could not start: ${error.message}`));
    child.once("close", (code, signal) => settle(code ?? signal));
  }).finally(() => running.delete(child));
  return { pid: child.pid, ended, said: () => said.join(""), signal: (name) => child.kill(name), output: child.stdout };
}

/** Ends a process the hard way and waits until it is gone. */
export async function kill(process) {
  process.signal("SIGKILL");
  await within(process.ended, `process ${process.pid} gone after SIGKILL`);
}

/** A loopback port nobody listens on, below those that outgoing connections take. */
export async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const probe = createServer();
    const free = await new Promise((settle) => {
      probe.once("error", () => settle(false));
      probe.listen(port, "127.0.0.1", () => settle(true));
    });
    await new Promise((closed) => probe.close(closed));
    if (free) return port;
  }
}
