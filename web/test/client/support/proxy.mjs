// A wire between a client and the nodes: it can be cut, fall silent, and lead elsewhere.
import { connect, createServer } from "node:net";

export async function startProxy(target) {
  const pairs = new Set();
  let [to, silent, closed, lost] = [target, false, false];
  const server = createServer((client) => {
    if (closed) return client.destroy();
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
    node.on("data", (bytes) => {
      if (!silent) return client.write(bytes);
      pair.robbed = true;
      lost();
    });
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
    up: () => void (closed = false),
    /** What the nodes say is lost from now on: acks too. Settles when something was. */
    mute: () => new Promise((settle) => ([silent, lost] = [true, settle])),
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
