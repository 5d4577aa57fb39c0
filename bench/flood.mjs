// What a flood costs others: 20,000 handshakes from one address, and 10,000 messages a second from one socket; and
// what 1,000 guesses tell of private rooms.
//
// node bench/flood.mjs             plays each against a node of its own; writes docs/reports/flood.md
// HUBBUB=path/to/hubbub            another binary than target/release/hubbub
import { fork, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { cpus } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { WebSocket } from "../web/node_modules/ws/wrapper.mjs";
import { measureGuesses } from "./lib/guesses.mjs";

const ROOT = new URL("../", import.meta.url);
const BINARY = process.env.HUBBUB ?? fileURLToPath(new URL("target/release/hubbub", ROOT));
const HANDSHAKE = "/socket.io/?EIO=4&transport=polling";
/** Who floods, and who does not, as the proxy on this machine says. */
const ATTACKER = "203.0.113.66";
const other = (n) => `198.51.100.${(n % 250) + 1}`;

const HANDSHAKES = 20_000;
const MESSAGES_A_SECOND = 10_000;
/** How long others are listened to, without and then with the flood. */
const LISTEN_MS = 8_000;
const LISTENERS = 20;
const SAID_EVERY_MS = 20;

const sleep = (ms) => new Promise((settle) => setTimeout(settle, ms));
const quantile = (numbers, q) => [...numbers].sort((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * q))];

async function measure() {
  const handshakes = await withNode(measureHandshakes);
  const messages = await withNode(measureMessages);
  const guesses = await measureGuesses(BINARY);
  const report = write(handshakes, messages, guesses);
  writeFileSync(new URL("docs/reports/flood.md", ROOT), report);
  process.stdout.write(report);
  const holds = handshakes.grewMiB <= 10 && handshakes.slowest < 200 && messages.flooded.p99 <= 2 * messages.alone.p99
    && Object.values(guesses).every(({ ratio }) => Math.abs(ratio - 1) <= 0.05);
  process.exit(holds ? 0 : 1);
}

/** A node of the test's own, behind a proxy on this machine. */
async function withNode(play) {
  const set = ["server.listen=127.0.0.1:0", "internal.listen=127.0.0.1:0", "store.url=memory:", "server.trusted_proxies=127.0.0.1", "log.format=json"];
  const node = spawn(BINARY, set.flatMap((one) => ["--set", one]), { env: {}, stdio: ["ignore", "ignore", "pipe"] });
  const lines = createInterface({ input: node.stderr });
  const at = await new Promise((settle, fail) => {
    lines.on("line", (line) => {
      const address = /hubbub is at http:\/\/([\d.:]+)/.exec(line)?.[1];
      if (address) settle(address);
    });
    node.once("exit", (code) => fail(new Error(`the node ended with ${code}`)));
  });
  try {
    await sleep(1_000);
    return await play(at, node.pid);
  } finally {
    node.removeAllListeners("exit");
    node.kill("SIGKILL");
  }
}

const residentKiB = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);

/** Another process floods, so that who measures is not busy with it; what it said at its end. */
function flood(kind, at) {
  const child = fork(fileURLToPath(import.meta.url), [kind, at]);
  const said = new Promise((settle) => child.once("message", settle));
  return { said, stop: () => child.send("stop") };
}

// === 20,000 handshakes from one address

async function measureHandshakes(at, pid) {
  // Somebody has been here before: what a first connection makes is not the flood's.
  for (let n = 0; n < 20; n += 1) await knock(at, other(n));
  const before = residentKiB(pid);
  const { said } = flood("handshakes", at);
  const took = [];
  let ended;
  said.then((end) => (ended = end));
  for (let n = 20; !ended; n += 1) {
    const began = performance.now();
    const status = await knock(at, other(n));
    if (status !== 200) throw new Error(`another address was answered ${status}`);
    took.push(performance.now() - began);
    await sleep(50);
  }
  return { ...ended, connects: took.length, slowest: Math.max(...took), median: quantile(took, 0.5), grewMiB: (residentKiB(pid) - before) / 1_024 };
}

/** One handshake on a connection of its own; its status. */
function knock(at, from) {
  const [host, port] = at.split(":");
  return new Promise((settle, fail) => {
    const asked = request({ host, port, path: HANDSHAKE, agent: false, headers: { "x-forwarded-for": from } }, (answer) => {
      answer.resume().once("end", () => settle(answer.statusCode));
    });
    asked.once("error", fail).end();
  });
}

async function floodHandshakes(at) {
  const [host, port] = at.split(":");
  const statuses = {};
  const began = performance.now();
  const asks = `GET ${HANDSHAKE} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: ${ATTACKER}\r\n\r\n`;
  const one = () => new Promise((settle, fail) => {
    const socket = connect(Number(port), host, () => socket.write(asks));
    let [left, text] = [HANDSHAKES / 20, ""];
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
  await Promise.all(Array.from({ length: 20 }, one));
  process.send({ statuses, seconds: (performance.now() - began) / 1_000 }, () => process.exit(0));
}

// === 10,000 messages a second from one socket

async function measureMessages(at) {
  const took = [];
  const listeners = await Promise.all(Array.from({ length: LISTENERS }, (_, n) => enter(at, `listener ${n}`, other(n), "lobby", (event, { text }) => {
    if (event === "message:new") took.push(performance.now() - Number(text));
  })));
  const speaker = listeners[0];
  const listen = async () => {
    took.length = 0;
    for (const end = performance.now() + LISTEN_MS; performance.now() < end; ) {
      speaker.say("lobby", String(performance.now()));
      await sleep(SAID_EVERY_MS);
    }
    await sleep(500);
    return { heard: took.length, p50: quantile(took, 0.5), p99: quantile(took, 0.99) };
  };
  await listen();
  const alone = await listen();
  const { said, stop } = flood("messages", at);
  await sleep(500);
  const flooded = await listen();
  stop();
  return { alone, flooded, ...(await said) };
}

/** Somebody who is in a room. */
function enter(at, name, from, room, hear) {
  const socket = new WebSocket(`ws://${at}/socket.io/?EIO=4&transport=websocket`, { headers: { "x-forwarded-for": from } });
  const emit = (...event) => socket.send(`42/chat,${JSON.stringify(event)}`);
  const say = (room, text) => emit("message:send", { room, text, mid: mid() });
  return new Promise((settle, fail) => {
    socket.once("error", fail);
    socket.on("message", (data) => {
      const frame = data.toString();
      if (frame === "2") socket.send("3");
      else if (frame.startsWith("0")) socket.send(`40/chat,${JSON.stringify({ name })}`);
      else if (frame.startsWith("43/chat,")) settle({ socket, say });
      else if (frame.startsWith("42/chat,")) {
        const [event, payload] = JSON.parse(frame.slice(8));
        if (event === "session:ready") socket.send(`42/chat,0${JSON.stringify(["room:join", { room }])}`);
        else hear(event, payload);
      }
    });
  });
}

/** A UUIDv7, as every client makes them. */
function mid() {
  const random = () => Math.floor(Math.random() * 2 ** 48).toString(16).padStart(12, "0");
  const [at, noise] = [Date.now().toString(16).padStart(12, "0"), random()];
  return `${at.slice(0, 8)}-${at.slice(8)}-7${noise.slice(0, 3)}-8${noise.slice(3, 6)}-${random()}`;
}

async function floodMessages(at) {
  let [stopped, sent, closed] = [false, 0, 0];
  process.on("message", () => (stopped = true));
  const began = performance.now();
  while (!stopped) {
    const flooder = await enter(at, "flooder", ATTACKER, "attic", () => {});
    flooder.socket.on("error", () => {});
    const [start, before] = [performance.now(), sent];
    while (!stopped && flooder.socket.readyState === WebSocket.OPEN) {
      const due = ((performance.now() - start) * MESSAGES_A_SECOND) / 1_000;
      // What the node does not take in piles up here, and is not counted as sent.
      while (sent - before < due && flooder.socket.bufferedAmount < 1 << 20) {
        flooder.say("attic", "buy now");
        sent += 1;
      }
      await sleep(5);
    }
    if (!stopped) closed += 1;
    flooder.socket.terminate();
  }
  process.send({ sentASecond: sent / ((performance.now() - began) / 1_000), closed }, () => process.exit(0));
}

// === The report

function write(handshakes, messages, guesses) {
  const { alone, flooded } = messages;
  const times = (a, b) => `${(a / b).toFixed(1)}×`;
  const ms = (number) => `${number.toFixed(1)} ms`;
  const told = ({ exists, absent }) => `${exists.toFixed(3)} ms and ${absent.toFixed(3)} ms`;
  const apart = ({ ratio }) => `${ratio.toFixed(2)}×`;
  const answered = Object.entries(handshakes.statuses).map(([status, count]) => `${count.toLocaleString("en")} × ${status}`).join(", ");
  return `# What a flood costs others

<!-- Written by bench/flood.mjs. Do not edit: run \`make flood\`. -->

${cpus().length} cores (${cpus()[0].model.trim()}), shared by the node, who floods, who measures, and whatever else ran. One
node on the store in memory, as shipped, behind a proxy that says who comes from where. Absolute figures move with the
machine; the ratios of one run are what to look at.

| | here | at most |
|---|---|---|
| **${HANDSHAKES.toLocaleString("en")} handshakes from one address**, in ${handshakes.seconds.toFixed(1)} s: memory of the node | ${handshakes.grewMiB >= 0 ? "+" : ""}${handshakes.grewMiB.toFixed(1)} MiB | +10 MiB |
| how they were answered | ${answered} | |
| slowest connect of other addresses meanwhile, of ${handshakes.connects} (median ${ms(handshakes.median)}) | ${ms(handshakes.slowest)}, ${times(handshakes.slowest, 200)} of the bound | 200 ms |
| **${MESSAGES_A_SECOND.toLocaleString("en")} messages a second from one socket** (${Math.round(messages.sentASecond).toLocaleString("en")} were taken off it, ${messages.closed} times closed for it): p99 delivery of others | ${times(flooded.p99, alone.p99)} | 2× |
| p50 of the same | ${times(flooded.p50, alone.p50)} | |
| **1,000 private rooms guessed right and 1,000 guessed wrong, by turns**: median of "not there", right to wrong, in memory | ${apart(guesses.memory)} (${told(guesses.memory)}) | 0.95× to 1.05× |
| the same on Redis | ${apart(guesses.redis)} (${told(guesses.redis)}) | 0.95× to 1.05× |

Deliveries: ${LISTENERS} listeners in one room, ${1_000 / SAID_EVERY_MS} messages a second, ${alone.heard.toLocaleString("en")} and ${flooded.heard.toLocaleString("en")} of them
without and with the flood; p99 ${ms(alone.p99)} and ${ms(flooded.p99)}.
`;
}

if (process.argv[2] === "handshakes") await floodHandshakes(process.argv[3]);
else if (process.argv[2] === "messages") await floodMessages(process.argv[3]);
else await measure();
