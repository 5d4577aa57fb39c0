// Thousands of connections that say nothing, half a head, or a byte a second: when they are closed, and how late others
// hear each other meanwhile.
import { connect } from "node:net";

import { audience } from "../lib/audience.mjs";
import { aside, count, flooding, ms, sleep, withNode } from "../lib/flood.mjs";
import { HANDSHAKE } from "../lib/raw.mjs";

/** So many of each kind, what each says at once, and whether it then says a byte each second. */
const KINDS = {
  "that say nothing": { many: 2_000, says: () => "" },
  "with a head by the byte": { many: 500, says: () => "GET / HTTP/1.1\r\nhost: x\r\nx-a: ", goesOn: true },
  "with a body by the byte": { many: 200, says: (url) => body(url, 10_000), goesOn: true },
  "with a body of 10 GB": { many: 20, says: (url) => body(url, 10_000_000_000), goesOn: true },
};
const OPENED_A_SECOND = 1_000;
/** Between being closed and coming again. */
const AGAIN_MS = 1_000;
const MOST_MS = 500;
const MOST_OPEN_S = 15;

export const measure = (binary) => withNode(binary, async ({ url }) => {
  const listen = await audience(url);
  const { said, stop } = aside(import.meta, url);
  const many = Object.values(KINDS).reduce((sum, kind) => sum + kind.many, 0);
  // Long enough that one which is not closed in time is seen.
  const { p99 } = await listen((many / OPENED_A_SECOND + MOST_OPEN_S + 5) * 1_000);
  stop();
  const kinds = await said;
  const closed = ([kind, { closed, slowest, status }]) => ({
    what: `${count(KINDS[kind].many)} ${kind}, ${count(closed)} times closed${status ? ` with ${status}` : ""}: the longest one was open`,
    here: `${slowest.toFixed(1)} s`,
    most: `${MOST_OPEN_S} s`,
    holds: closed > 0 && slowest <= MOST_OPEN_S,
  });
  return [
    {
      what: `**${count(many)} connections that stall**, and come again when they are closed: p99 delivery of others`,
      here: ms(p99),
      most: `${MOST_MS} ms`,
      holds: p99 < MOST_MS,
    },
    ...Object.entries(kinds).map(closed),
  ];
});

/** The head of a polling client's request that brings something, in a session of its own. */
async function body(url, length) {
  const opened = await (await fetch(url + HANDSHAKE)).text();
  return `POST ${HANDSHAKE}&sid=${JSON.parse(opened.slice(1)).sid} HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: ${length}\r\n\r\n`;
}

await flooding(import.meta, async (url, isOver) => {
  const { hostname, port } = new URL(url);
  const said = {};
  const begins = new Map();
  const age = (began) => (performance.now() - began) / 1_000;
  const stall = async (kind, { says, goesOn }) => {
    const first = await says(url);
    const began = performance.now();
    const socket = connect(Number(port), hostname, () => socket.write(first));
    begins.set(socket, { kind, began });
    const goingOn = goesOn && setInterval(() => socket.write("b"), 1_000);
    socket.on("error", () => {}).once("data", (answer) => (said[kind].status = answer.toString().slice(9, 12)));
    await new Promise((settle) => socket.once("close", settle));
    clearInterval(goingOn);
    begins.delete(socket);
    if (isOver()) return;
    said[kind].closed += 1;
    said[kind].slowest = Math.max(said[kind].slowest, age(began));
  };
  const again = async (kind, how) => {
    while (!isOver()) {
      await stall(kind, how);
      await sleep(AGAIN_MS);
    }
  };
  for (const [kind, how] of Object.entries(KINDS)) {
    said[kind] = { closed: 0, slowest: 0 };
    for (let n = 0; n < how.many && !isOver(); n += 1) {
      void again(kind, how);
      if (n % 10 === 9) await sleep(10_000 / OPENED_A_SECOND);
    }
  }
  while (!isOver()) await sleep(50);
  // Those that were not closed at all.
  for (const { kind, began } of begins.values()) said[kind].slowest = Math.max(said[kind].slowest, age(began));
  return said;
});
