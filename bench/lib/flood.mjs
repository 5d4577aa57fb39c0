// What every flood needs: a node of its own, and somebody who floods it.
import { fork, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** Who floods, and who does not, as the proxy on this machine says. */
export const ATTACKER = { "x-forwarded-for": "203.0.113.66" };
export const other = (n) => ({ "x-forwarded-for": `198.51.100.${(n % 250) + 1}` });

export const sleep = (ms) => new Promise((settle) => setTimeout(settle, ms));
export const quantile = (numbers, q) => [...numbers].sort((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * q))];
export const ms = (number) => `${number.toFixed(1)} ms`;
export const times = (a, b) => `${(a / b).toFixed(1)}×`;
export const count = (number) => Math.round(number).toLocaleString("en");

/** A node as shipped, in memory, behind a proxy on this machine. */
export async function withNode(binary, play) {
  const set = ["server.listen=127.0.0.1:0", "internal.listen=127.0.0.1:0", "store.url=memory:", "server.trusted_proxies=127.0.0.1", "log.format=json"];
  const node = spawn(binary, set.flatMap((one) => ["--set", one]), { env: {}, stdio: ["ignore", "ignore", "pipe"] });
  const lines = createInterface({ input: node.stderr });
  const url = await new Promise((settle, fail) => {
    lines.on("line", (line) => {
      const address = /hubbub is at (http:\/\/[\d.:]+)/.exec(line)?.[1];
      if (address) settle(address);
    });
    node.once("exit", (code) => fail(new Error(`the node ended with ${code}`)));
  });
  try {
    await sleep(1_000);
    return await play({ url, pid: node.pid });
  } finally {
    node.removeAllListeners("exit");
    node.kill("SIGKILL");
  }
}

/**
 * Another process floods, so that who measures is not busy with it: the same file, started with the node's address.
 * `said` settles with what it sends at its end; `stop` asks for that.
 */
export function aside(meta, url) {
  const child = fork(fileURLToPath(meta.url), [url]);
  const said = new Promise((settle, fail) => {
    child.once("message", settle);
    child.once("exit", (code) => fail(new Error(`who floods ended with ${code}`)));
  });
  return { said, stop: () => child.send("stop") };
}

/** In that process: floods until it is told to stop, or is through; `play` is given the address, and a look at which. */
export async function flooding(meta, play) {
  if (process.argv[1] !== fileURLToPath(meta.url)) return;
  let stopped = false;
  process.on("message", () => (stopped = true));
  const said = await play(process.argv[2], () => stopped);
  process.send(said, () => process.exit(0));
}
