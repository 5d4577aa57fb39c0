// Child processes that never outlive the tests: ended by handle, never by name.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";

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

/** On Linux all of 127/8 is this machine: with an address of its own no process meets another's ports. */
const HOST = process.platform === "linux" ? `127.${1 + (process.pid >> 16)}.${(process.pid >> 8) & 255}.${process.pid & 255}` : "127.0.0.1";
const given = new Set();

/** Where nobody listens: a loopback address and a port, below those that outgoing connections take; given once. */
export async function freePlace() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (given.has(port)) continue;
    given.add(port);
    const probe = createServer();
    const free = await new Promise((settle) => {
      probe.once("error", () => settle(false));
      probe.listen(port, HOST, () => settle(true));
    });
    await new Promise((closed) => probe.close(closed));
    if (free) return { host: HOST, port };
  }
}

/** A program: the one a variable names, or the first of these names on the PATH. */
export function find(variable, ...names) {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const found = process.env[variable] ?? names.flatMap((name) => folders.map((folder) => join(folder, name))).find(existsSync);
  if (!found) throw new Error(`there is no ${names[0]} on the PATH: install it (make tools), or say where it is with ${variable}`);
  return found;
}
