// 100,000 pings of the WebSocket a second from one address, on a new socket as soon as one is closed for it.
import { randomBytes } from "node:crypto";
import { connect } from "node:net";

import { aloneAndFlooded } from "../lib/audience.mjs";
import { ATTACKER, aside, count, flooding, sleep, withNode } from "../lib/flood.mjs";

const A_SECOND = 100_000;
/** A ping without a payload, masked. */
const PING = Buffer.from([0x89, 0x80, 0, 0, 0, 0]);
const EACH_MS = 5;

export const measure = (binary) => withNode(binary, async ({ url }) => {
  const { said, rows } = await aloneAndFlooded(url, () => aside(import.meta, url));
  const { aSecond, closed, refused } = said;
  const isClosed = { what: "sockets that were closed for it, and refused to come again", here: `${count(closed)}, ${count(refused)}`, holds: closed > 0 };
  return [...rows(`**${count(A_SECOND)} pings a second from one address** (${count(aSecond)} were taken off it)`), isClosed];
});

await flooding(import.meta, async (url, isOver) => {
  const { hostname, port } = new URL(url);
  const head = [
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
    "host: x",
    "connection: upgrade",
    "upgrade: websocket",
    "sec-websocket-version: 13",
    `sec-websocket-key: ${randomBytes(16).toString("base64")}`,
    `x-forwarded-for: ${ATTACKER["x-forwarded-for"]}`,
  ].join("\r\n");
  const many = Buffer.concat(Array.from({ length: (A_SECOND * EACH_MS) / 1_000 }, () => PING));
  const said = { sent: 0, closed: 0, refused: 0 };
  const began = performance.now();
  const isFree = (socket) => socket.writableLength < 1 << 20;
  while (!isOver()) {
    const socket = connect(Number(port), hostname, () => socket.write(`${head}\r\n\r\n`));
    let [isOpen, isUp] = [true, false];
    socket.on("error", () => {});
    socket.on("close", () => (isOpen = false));
    socket.on("data", (piece) => {
      if (isUp) return;
      isUp = piece.includes("101 ");
      if (!isUp) socket.destroy();
    });
    while (isOpen && !isOver()) {
      if (isUp && isFree(socket)) {
        socket.write(many);
        said.sent += many.length / PING.length;
      }
      await sleep(EACH_MS);
    }
    if (isUp && !isOver()) said.closed += 1;
    if (!isUp) said.refused += 1;
    socket.destroy();
  }
  return { ...said, aSecond: said.sent / ((performance.now() - began) / 1_000) };
});
