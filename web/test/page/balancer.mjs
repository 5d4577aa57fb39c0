// Plays what stands before the nodes: one address that serves web/dist with the server's headers, and outlives any node.
import { existsSync, readFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { connect } from "node:net";
import { extname } from "node:path";

const DIST = new URL("../../dist/", import.meta.url);
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "application/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };
/** Whether the nodes embed this very page; until then it is read from web/dist. */
const SERVED = process.env.HUBBUB_PAGE === "served";

/** What the server sends with the page. */
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self'; connect-src 'self' ws: wss:; " +
  "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/**
 * An address before some nodes: a new connection goes to the first of them that answers, beginning with `first`.
 * The balancer of a stage has one for each browser, so that the test says who is where.
 */
export async function startBalancer(nodes, first = 0) {
  const order = nodes.map((_, i) => new URL(nodes[(first + i) % nodes.length].url));
  const open = new Set();
  let full = false;
  const turnAway = (answer) => answer.writeHead(503, { "retry-after": "1" }).end();
  const server = createServer((asked, answer) => {
    if (full && asked.url.startsWith("/socket.io/")) return turnAway(answer);
    if (SERVED || asked.url.startsWith("/socket.io/")) return pass(asked, answer, order);
    serve(new URL(asked.url, "http://page").pathname, answer);
  });
  server.on("connection", (socket) => {
    open.add(socket);
    socket.on("error", () => {}).on("close", () => open.delete(socket));
  });
  server.on("upgrade", (asked, socket, head) => {
    if (full) return socket.end("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    upgrade(asked, socket, head, order);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Breaks every connection that is open now. */
    drop: () => open.forEach((socket) => socket.destroy()),
    /** The same, and whoever comes is turned away with 503 until `clear`. */
    fill() {
      full = true;
      open.forEach((socket) => socket.destroy());
    },
    clear: () => void (full = false),
    close() {
      open.forEach((socket) => socket.destroy());
      return new Promise((closed) => server.close(closed));
    },
    told: () => `a balancer before ${order.map((node) => node.host).join(", ")}`,
  };
}

function serve(path, answer) {
  const file = new URL(`.${path === "/" ? "/index.html" : path}`, DIST);
  if (!file.href.startsWith(DIST.href) || !existsSync(file)) return answer.writeHead(404).end();
  const type = TYPES[extname(file.pathname)] ?? "application/octet-stream";
  const safe = { "x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cross-origin-opener-policy": "same-origin" };
  answer.writeHead(200, { "content-type": type, ...safe, ...(path === "/" ? { "content-security-policy": POLICY } : {}) });
  answer.end(readFileSync(file));
}

async function pass(asked, answer, order) {
  const body = Buffer.concat(await asked.toArray().catch(() => []));
  const ask = ([node, ...others]) => {
    if (!node) return answer.writeHead(502).end();
    const onward = request({ host: node.hostname, port: node.port, path: asked.url, method: asked.method, headers: asked.headers }, (said) => {
      answer.writeHead(said.statusCode, said.headers);
      said.on("error", () => answer.destroy()).pipe(answer);
    });
    // Another node is asked only where this one could not be reached at all.
    onward.on("error", (error) => (error.code === "ECONNREFUSED" ? ask(others) : answer.destroy()));
    answer.on("close", () => onward.destroy());
    onward.end(body);
  };
  ask(order);
}

function upgrade(asked, socket, head, [node, ...others]) {
  if (!node) return socket.destroy();
  const onward = connect(Number(node.port), node.hostname);
  let through = false;
  onward.once("connect", () => {
    through = true;
    const headers = Object.entries(asked.headers).map(([name, value]) => `${name}: ${value}`);
    onward.write(`${asked.method} ${asked.url} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n`);
    if (head.length > 0) onward.write(head);
    socket.pipe(onward).pipe(socket);
  });
  onward.on("error", () => (through ? socket.destroy() : upgrade(asked, socket, head, others)));
  onward.on("close", () => through && socket.destroy());
  socket.on("close", () => onward.destroy());
}
