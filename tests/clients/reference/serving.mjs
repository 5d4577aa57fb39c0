// A node of a reference server: HTTP and the official Socket.IO server on a loopback port.
import { createServer } from "node:http";

import { Server } from "socket.io";

/** Listens, stops and starts again on the same port; `setUp(io, node)` says what the server does. */
export async function serve({ name, setUp, answer, options }) {
  let port = 0;
  let http;
  const node = {
    name,
    said: "",
    async start() {
      http = createServer(answer ?? ((_, response) => response.writeHead(404).end()));
      node.io = new Server(http, { allowEIO3: true, cors: { origin: "*" }, ...options });
      // The official server takes every path under its own; ours answers the client's files before it.
      if (answer) {
        const [engine] = http.listeners("request");
        http.removeAllListeners("request");
        http.on("request", (request, response) => (isEngine(request) ? engine : answer)(request, response));
      }
      setUp(node.io, node);
      await new Promise((listening) => http.listen(port, "127.0.0.1", listening));
      port = http.address().port;
      node.url = node.internal = `http://127.0.0.1:${port}`;
      return node;
    },
    async stop() {
      if (!http?.listening) return;
      await new Promise((closed) => {
        node.io.close(closed);
        http.closeAllConnections();
      });
    },
    kill: () => node.stop(),
  };
  return node.start();
}

const isEngine = ({ url }) => /^\/socket\.io\/(\?|$)/.test(url);
