// How long it takes to be told that a private room is not there: of rooms that are, and of rooms that are not.
import { count, quantile } from "../lib/flood.mjs";
import { enter, untilReady } from "../lib/raw.mjs";
import { withStage } from "../lib/stage.mjs";

const ROOMS = 1_000;
/** So many rooms one makes, as a connection may in a minute. */
const OF_ONE = 50;
/** Guesses before those that count. */
const WARM_UP = 200;
const LETTERS = "abcdefghijklmnopqrstuvwxyz234567";

/** How far from equal the medians may be. */
const APART = 0.05;

/** On a node whose store is in memory, and on one on Redis. */
export async function measure(binary) {
  const play = ({ nodes: [node] }) => guess(node.url);
  const all = `**${count(ROOMS)} private rooms guessed right and ${count(ROOMS)} guessed wrong, by turns**: median of "not there", right to wrong`;
  return [
    row(`${all}, in memory`, await withStage(contender(binary, false), play)),
    row("the same on Redis", await withStage(contender(binary, true), play)),
  ];
}

function row(what, { exists, absent }) {
  const ratio = exists / absent;
  const here = `${ratio.toFixed(2)}× (${exists.toFixed(3)} ms and ${absent.toFixed(3)} ms)`;
  return { what, here, most: `${1 - APART}× to ${1 + APART}×`, holds: Math.abs(ratio - 1) <= APART };
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
  await untilReady(url);
  const there = [];
  for (let n = 0; n < ROOMS / OF_ONE; n += 1) {
    const owner = await enter(url, { name: `owner ${n}` });
    for (let made = 0; made < OF_ONE; made += 1) there.push((await owner.ask("room:create", {})).room);
    owner.close();
  }
  const eve = await enter(url, { name: "eve" });
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
  return { exists: quantile(took.there, 0.5), absent: quantile(took.absent, 0.5) };
}

/** An id that nobody has, of the same shape. */
function like(room) {
  const letter = () => LETTERS[Math.floor(Math.random() * LETTERS.length)];
  return room.replace(/^prv_\w{26}/, () => `prv_${Array.from({ length: 26 }, letter).join("")}`);
}
