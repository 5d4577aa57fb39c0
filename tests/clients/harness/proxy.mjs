// A wire between a client and the nodes: it can be cut, fall silent, lead elsewhere, and turn newcomers away.
import { connect, createServer } from "node:net";

/** How a node answers a handshake that it has no room for. */
const FULL = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

export async function startProxy(target) {
  const pairs = new Set();
  let [to, silent, closed, full, refused] = [target, false, false, false, 0];
  const server = createServer((client) => {
    if (closed) return client.destroy();
    if (full) {
      refused++;
      client.on("error", () => {}).once("data", () => client.end(FULL));
      return;
    }
    const { hostname, port } = new URL(to);
    const node = connect(Number(port), hostname);
    const pair = { client, node, robbed: silent };
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      node.destroy();
    };
    for (const socket of [client, node]) socket.on("error", end).on("close", end);
    client.on("data", (bytes) => node.write(bytes));
    // A stream that has lost bytes is good for nothing: what was robbed ends when the silence does.
    node.on("data", (bytes) => (silent ? (pair.robbed = true) : client.write(bytes)));
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const cut = (which = () => true) => {
    for (const pair of [...pairs]) if (which(pair)) [pair.client, pair.node].forEach((socket) => socket.destroy());
  };
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Every connection breaks. */
    cut: () => cut(),
    /** Nothing gets through, until `up`. */
    down() {
      closed = true;
      cut();
    },
    up: () => void (closed = full = false),
    /** Whoever is in is sent away, and new handshakes are answered 503, until `up`. */
    fill() {
      full = true;
      cut();
    },
    /** How many handshakes have been answered 503. */
    refused: () => refused,
    /** What the nodes say is lost from now on: acks too. */
    mute: () => void (silent = true),
    /** Whether anything was lost by that. */
    robbed: () => [...pairs].some((pair) => pair.robbed),
    unmute() {
      silent = false;
      cut((pair) => pair.robbed);
    },
    /** Where new connections go. */
    lead: (url) => void (to = url),
    async close() {
      cut();
      await new Promise((done) => server.close(done));
    },
  };
}
