// A model of Hubbub in one process, as far as the tests look: it shows that the tests can pass, and with
// HUBBUB_TEST_BREAK that they can fail. It promises nothing: no store, no limits, no security.
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, readdirSync } from "node:fs";

import { serve } from "./serving.mjs";

const DIST = new URL("../../../web/dist/", import.meta.url);
const ROOM = "lobby";
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' ws: wss:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";
/** Names of the faults to show, each of which must make some test fail. */
const broken = new Set((process.env.HUBBUB_TEST_BREAK ?? "").split(",").filter(Boolean));

/** Nodes that share one world in place of a store. */
export async function startModel(count) {
  const world = newWorld();
  for (let i = 0; i < count; i++) {
    world.nodes.push(await serve({
      name: `model ${i}`,
      setUp: (io) => {
        speakClassic(world, io);
        speakNative(world, io, `model-${i}`);
      },
      answer: answerFiles,
      options: { serveClient: false },
    }));
  }
  return { nodes: world.nodes, close: async () => {} };
}

const newWorld = () => ({ nodes: [], epoch: randomUUID().slice(0, 8), log: [], byMid: new Map(), names: [], sessions: new Map(), typing: new Map() });

// === The one log

function append(world, { mid = randomUUID(), user, text, connection }) {
  const known = world.byMid.get(`${user?.id} ${mid}`);
  if (known) return { entry: known, dup: true };
  const entry = { room: ROOM, epoch: world.epoch, seq: world.log.length + 1, mid, ts: Date.now(), user, text, connection };
  world.log.push(entry);
  world.byMid.set(`${user?.id} ${mid}`, entry);
  const name = user.name || undefined;
  tell(world, "S2", "chat message", text, entry.seq);
  tell(world, "S1", "message", { message: text, user: name, id: connection });
  tell(world, "S0", "msg:get", history(world));
  for (const node of world.nodes) node.io.of("/chat").to(ROOM).emit("message:new", onWire(entry));
  return { entry, dup: false };
}

const onWire = ({ connection: _, ...entry }) => entry;

function history(world) {
  const posts = world.log.slice(-50).map(({ user, text, ts }) => ({ user: user.name || "guest", text, time: ts }));
  return { msg: broken.has("oldest-first") ? posts : posts.reverse() };
}

// === The tutorials' words

/** To every tutorial's socket that speaks this dialect, or has not shown which one it speaks. */
function tell(world, dialect, event, ...args) {
  for (const node of world.nodes) {
    for (const socket of node.io.of("/").sockets.values()) {
      if (socket.data.speaks.size === 0 || socket.data.speaks.has(dialect) || broken.has("all-dialects")) socket.emit(event, ...args);
    }
  }
}

function speakClassic(world, io) {
  io.on("connection", (socket) => {
    const connection = broken.has("socket-id") ? socket.id : randomUUID();
    const speaks = (socket.data.speaks = new Set());
    const user = { id: connection, name: "", classic: true };
    socket.emit("msg:get", history(world));

    socket.on("chat message", (text) => {
      speaks.add("S2");
      if (text === "" && broken.has("no-empty")) return;
      append(world, { user, text, connection });
    });
    socket.on("msg:post", (post) => {
      speaks.add("S0");
      append(world, { user: { ...user, name: post.user }, text: post.text, connection });
    });
    socket.on("message", (text) => {
      speaks.add("S1");
      append(world, { user, text, connection });
    });
    socket.on("adduser", (name) => {
      speaks.add("S1");
      user.name = name;
      world.names.push({ name, connection });
      const selfFirst = broken.has("private-first");
      const own = () => socket.emit("private", { id: connection, name, msg: "secret message" });
      if (selfFirst) own();
      tell(world, "S1", "users", world.names.map((each) => each.name));
      if (!selfFirst) own();
    });
    socket.on("IO_CLIENT_JOIN_ROOM", (room) => {
      speaks.add("S3");
      (socket.data.rooms ??= new Set()).add(room);
      if (broken.has("you-first")) socket.emit("IO_SERVER_HELLO", "Hello you!");
      tell(world, "S3", "IO_SERVER_HELLO", "Hello everyone!");
      for (const node of world.nodes) {
        for (const other of node.io.of("/").sockets.values()) {
          if (other.data.rooms?.has(room)) other.emit("IO_SERVER_HELLO", `Hello clients of room ${room}!`);
        }
      }
      if (!broken.has("you-first")) socket.emit("IO_SERVER_HELLO", "Hello you!");
    });
    socket.on("disconnect", () => {
      const at = world.names.findIndex((each) => each.connection === connection);
      if (at < 0) return;
      world.names = world.names.filter((each) => each.connection !== connection);
      const names = world.names.map((each) => each.name);
      tell(world, "S1", "user", names);
      if (!broken.has("no-users-on-leave")) tell(world, "S1", "users", names);
    });
  });
}

// === The native words

function speakNative(world, io, node) {
  const chat = io.of("/chat");
  chat.use((socket, next) => {
    const { session, name } = socket.handshake.auth;
    const refuse = (code) => next(new Error(code));
    if (session !== undefined && !world.sessions.has(session)) return refuse("unauthorized", "this session is not one of ours");
    if (/^(admin|system|server)$/i.test(name)) return refuse("reserved", "this name is reserved; choose another");
    socket.data.session = session ?? randomUUID();
    if (!session) world.sessions.set(socket.data.session, { id: randomUUID(), name: name ?? "guest", role: "guest" });
    socket.data.user = world.sessions.get(socket.data.session);
    next();
  });
  chat.on("connection", (socket) => {
    const { session, user } = socket.data;
    const connection = randomUUID();
    socket.emit("session:ready", { session, user, connection, device: "", node, limits: {}, server_time: Date.now(), rooms: [] });

    const events = {
      "room:join": ({ room, since }) => {
        const first = !present(world, user.id);
        socket.join(room);
        if (first) presence(world, { joined: [person(user)] });
        const head = world.log.length;
        const reset = Boolean(since) && (since.epoch !== world.epoch || since.seq > head);
        const messages = since && !reset ? world.log.slice(since.seq) : world.log.slice(-50);
        return { epoch: head ? world.epoch : null, head, first: 1, messages: messages.map(onWire), upto: head, has_more: false, truncated: false, reset, count: count(world), me: { role: "member", read: 0 } };
      },
      "room:leave": ({ room }) => {
        leave(socket, room);
        return {};
      },
      "room:members": () => ({ members: members(world), cursor: null, count: count(world) }),
      "message:send": ({ room, text, mid }) => {
        if (!text?.trim() || typeof mid !== "string" || !room) throw { code: "bad_request", field: "text" };
        const { entry, dup } = append(world, { mid: broken.has("no-dedup") ? undefined : mid, user: person(user), text, connection });
        if (dup && entry.text !== text) throw { code: "idempotency_conflict" };
        setTyping(user, false);
        return { epoch: entry.epoch, seq: entry.seq, mid, ts: entry.ts, dup };
      },
      "typing:start": () => (setTyping(user, true), {}),
      "typing:stop": () => (setTyping(user, false), {}),
      "session:rename": ({ name }) => {
        user.name = name;
        presence(world, { changed: [person(user)] });
        return { user, session };
      },
      "system:ping": () => ({ server_time: Date.now(), node }),
    };

    socket.onAny((event, payload, ack) => {
      let answer;
      try {
        if (!Object.hasOwn(events, event)) throw { code: "unknown_event" };
        answer = { ok: true, ...events[event](payload) };
      } catch (error) {
        answer = { ok: false, error: { message: "no", retryable: false, ...error } };
      }
      if (ack) ack(answer);
      else if (!answer.ok) socket.emit("error:notice", answer.error);
    });
    socket.on("disconnecting", () => leave(socket, ROOM));

    function leave(one, room) {
      if (!one.rooms.has(room)) return;
      one.leave(room);
      if (broken.has("tab-leaves") || !present(world, user.id)) presence(world, { left: [person(user)] });
    }
    function setTyping(who, on) {
      if (on) world.typing.set(who.id, person(who));
      else if (!world.typing.delete(who.id)) return;
      for (const each of world.nodes) each.io.of("/chat").to(ROOM).emit("typing", { room: ROOM, users: [...world.typing.values()], more: 0 });
    }
  });
}

const person = ({ id, name }) => ({ id, name });
const hosts = (world) => world.nodes.flatMap((node) => [...node.io.of("/chat").sockets.values()]).filter((socket) => socket.rooms.has(ROOM));
const present = (world, id) => hosts(world).some((socket) => socket.data.user.id === id);
const members = (world) => [...new Map(hosts(world).map((socket) => [socket.data.user.id, person(socket.data.user)])).values()];
const count = (world) => members(world).length;

function presence(world, { joined = [], left = [], changed = [] }) {
  const told = { room: ROOM, joined, left, changed, count: count(world) };
  for (const node of world.nodes) node.io.of("/chat").to(ROOM).emit("presence:changed", told);
}

// === Files

const TYPES = { html: "text/html; charset=utf-8", js: "application/javascript; charset=utf-8", css: "text/css; charset=utf-8", map: "application/json" };

function answerFiles(request, response) {
  const path = new URL(request.url, "http://localhost").pathname;
  const headers = { "x-content-type-options": "nosniff", ...(request.headers.origin && { "access-control-allow-origin": "*" }) };
  const file = path === "/" ? "index.html" : path.slice(1);
  const known = existsSync(DIST) && readdirSync(DIST, { recursive: true }).includes(file) && /\.(html|js|css|map)$/.test(file);
  if (!known) return response.writeHead(404, headers).end();
  headers["content-type"] = TYPES[file.split(".").at(-1)];
  if (file === "index.html") headers["content-security-policy"] = CSP;
  if (!file.startsWith("socket.io/")) return response.writeHead(200, headers).end(readFileSync(new URL(file, DIST)));
  const etag = `"${readFileSync(new URL("socket.io/version.txt", DIST), "utf8")}"`;
  Object.assign(headers, { etag, vary: "Accept-Encoding", "cache-control": "public, max-age=0" });
  if ([etag, `W/${etag}`].includes(request.headers["if-none-match"])) return response.writeHead(304, headers).end();
  const accepted = (request.headers["accept-encoding"] ?? "").split(/, */).filter((each) => !/;q=0$/.test(each));
  const [coding, ending] = accepted.includes("br") ? ["br", ".br"] : accepted.includes("gzip") ? ["gzip", ".gz"] : [undefined, ""];
  if (coding) headers["content-encoding"] = coding;
  response.writeHead(200, headers).end(readFileSync(new URL(file + ending, DIST)));
}
