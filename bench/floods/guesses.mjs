// How long it takes to be told that a private room is not there: of rooms that are, and of rooms that are not.
import { WebSocket } from "../../web/node_modules/ws/wrapper.mjs";
import { withStage } from "./stage.mjs";

const ROOMS = 1_000;
/** So many rooms one makes, as a connection may in a minute. */
const OF_ONE = 50;
/** Guesses before those that count. */
const WARM_UP = 200;
const LETTERS = "abcdefghijklmnopqrstuvwxyz234567";

/** Medians in ms on a node whose store is in memory, and on one on Redis. */
export async function measureGuesses(binary) {
  const play = ({ nodes: [node] }) => guess(node.url);
  const [memory, redis] = [contender(binary, false), contender(binary, true)];
  return { memory: await withStage(memory, play), redis: await withStage(redis, play) };
}

/** As shipped, but that nobody is stopped from guessing. */
function contender(binary, redis) {
  const set = ["limits.misses_per_minute=1000000", "limits.join_rate=1000000", "limits.join_burst=1000000", "internal.listen=127.0.0.1:0"];
  const start = (port, url) => ({
    command: binary,
    args: [...set, `server.listen=127.0.0.1:${port}`].flatMap((one) => ["--set", one]),
    env: { HUBBUB__STORE__URL: url ?? "memory:", HUBBUB__LOG__LEVEL: "warn" },
  });
  return { redis, nodes: 1, start };
}

async function guess(url) {
  // It listens before it has its store.
  while ((await fetch(`${url}/socket.io/?EIO=4&transport=polling`)).status === 503) await new Promise((settle) => setTimeout(settle, 50));
  const there = [];
  for (let n = 0; n < ROOMS / OF_ONE; n += 1) {
    const owner = await enter(url, `owner ${n}`);
    for (let made = 0; made < OF_ONE; made += 1) there.push((await owner.ask("room:create", {})).room);
    owner.close();
  }
  const eve = await enter(url, "eve");
  const took = { there: [], absent: [] };
  const join = async (room, times) => {
    const began = performance.now();
    const { error } = await eve.ask("room:join", { room });
    times.push(performance.now() - began);
    if (error?.code !== "not_found") throw new Error(`${room}: ${JSON.stringify(error)}`);
  };
  for (let n = 0; n < WARM_UP; n += 1) await join(like(there[n]), []);
  // By turns, and in turn the one or the other first.
  for (const [n, room] of there.entries()) {
    const both = [() => join(room, took.there), () => join(like(room), took.absent)];
    for (const one of n % 2 ? both : both.reverse()) await one();
  }
  eve.close();
  const [exists, absent] = [median(took.there), median(took.absent)];
  return { exists, absent, ratio: exists / absent };
}

/** An id that nobody has, of the same shape. */
function like(room) {
  const letter = () => LETTERS[Math.floor(Math.random() * LETTERS.length)];
  return room.replace(/^prv_\w{26}/, () => `prv_${Array.from({ length: 26 }, letter).join("")}`);
}

function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
}

/** A session on /chat that asks one thing after the other. */
function enter(url, name) {
  const socket = new WebSocket(`${url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`);
  let answered;
  const ask = (event, payload) => new Promise((settle) => {
    answered = settle;
    socket.send(`42/chat,1${JSON.stringify([event, payload])}`);
  });
  return new Promise((settle, fail) => {
    socket.once("error", fail);
    socket.on("message", (data) => {
      const frame = data.toString();
      if (frame === "2") socket.send("3");
      else if (frame.startsWith("0")) socket.send(`40/chat,${JSON.stringify({ name })}`);
      else if (frame.startsWith("43/chat,1[")) answered(JSON.parse(frame.slice(9))[0]);
      else if (frame.startsWith('42/chat,["session:ready"')) settle({ ask, close: () => socket.terminate() });
    });
  });
}
