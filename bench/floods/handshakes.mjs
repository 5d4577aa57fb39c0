// 20,000 handshakes from one address: what the node keeps of them, and how long others wait to get in.
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";

import { ATTACKER, aside, count, flooding, ms, other, quantile, sleep, withNode } from "../lib/flood.mjs";
import { HANDSHAKE } from "../lib/raw.mjs";

const HANDSHAKES = 20_000;
/** Connections that ask for them. */
const AT_ONCE = 20;
const MOST_MIB = 10;
const MOST_MS = 200;

export const measure = (binary) => withNode(binary, async ({ url, pid }) => {
  // Somebody has been here before: what a first connection makes is not the flood's.
  for (let n = 0; n < 20; n += 1) await knock(url, n);
  const before = residentKiB(pid);
  const { said } = aside(import.meta, url);
  const took = [];
  let ended;
  said.then((end) => (ended = end));
  for (let n = 20; !ended; n += 1) {
    const began = performance.now();
    const status = await knock(url, n);
    if (status !== 200) throw new Error(`another address was answered ${status}`);
    took.push(performance.now() - began);
    await sleep(50);
  }
  const grewMiB = (residentKiB(pid) - before) / 1_024;
  const slowest = Math.max(...took);
  const { statuses, seconds } = await said;
  return [
    {
      what: `**${count(HANDSHAKES)} handshakes from one address**, in ${seconds.toFixed(1)} s: memory of the node`,
      here: `${grewMiB >= 0 ? "+" : ""}${grewMiB.toFixed(1)} MiB`,
      most: `+${MOST_MIB} MiB`,
      holds: grewMiB <= MOST_MIB,
    },
    { what: "how they were answered", here: Object.entries(statuses).map(([status, times]) => `${count(times)} × ${status}`).join(", ") },
    {
      what: `slowest connect of other addresses meanwhile, of ${took.length} (median ${ms(quantile(took, 0.5))})`,
      here: ms(slowest),
      most: `${MOST_MS} ms`,
      holds: slowest < MOST_MS,
    },
  ];
});

const residentKiB = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);

/** One handshake of another address on a connection of its own; its status. */
function knock(url, n) {
  return new Promise((settle, fail) => {
    const asked = request(url + HANDSHAKE, { agent: false, headers: other(n) }, (answer) => {
      answer.resume().once("end", () => settle(answer.statusCode));
    });
    asked.once("error", fail).end();
  });
}

await flooding(import.meta, async (url) => {
  const { hostname, port } = new URL(url);
  const statuses = {};
  const began = performance.now();
  const asks = `GET ${HANDSHAKE} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: ${ATTACKER["x-forwarded-for"]}\r\n\r\n`;
  const one = () => new Promise((settle, fail) => {
    const socket = connect(Number(port), hostname, () => socket.write(asks));
    let [left, text] = [HANDSHAKES / AT_ONCE, ""];
    socket.setEncoding("latin1").once("error", fail).on("data", (piece) => {
      text += piece;
      const head = text.indexOf("\r\n\r\n");
      if (head < 0) return;
      const end = head + 4 + Number(/content-length: (\d+)/i.exec(text)[1]);
      if (text.length < end) return;
      const status = text.slice(9, 12);
      statuses[status] = (statuses[status] ?? 0) + 1;
      text = text.slice(end);
      left -= 1;
      if (left > 0) socket.write(asks);
      else socket.end(settle);
    });
  });
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  return { statuses, seconds: (performance.now() - began) / 1_000 };
});
