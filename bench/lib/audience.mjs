// Who is flooded, and how late they hear each other: without the flood, and with it.
import { randomUUID } from "node:crypto";

import { ms, other, quantile, sleep, times } from "./flood.mjs";
import { enter } from "./raw.mjs";

export const LISTENERS = 20;
const SAID_EVERY_MS = 20;
export const SAID_A_SECOND = 1_000 / SAID_EVERY_MS;
export const LISTEN_MS = 8_000;
/** The slowest of a hundred deliveries may take so many times as long. */
const MOST_TIMES = 2;
/** How long what was said last may be on its way. */
const PATIENCE_MS = 10_000;

/** Listeners in one room, one of whom speaks for so long: how long each word takes to each of them. */
export async function audience(url) {
  let took = [];
  const hear = (event, { text }) => {
    if (event === "message:new") took.push(performance.now() - Number(text));
  };
  const come = async (_, n) => {
    const guest = await enter(url, { name: `listener ${n}`, headers: other(n), hear });
    await guest.ask("room:join", { room: "lobby" });
    return guest;
  };
  const [speaker] = await Promise.all(Array.from({ length: LISTENERS }, come));
  const listen = async (forMs) => {
    took = [];
    let said = 0;
    for (const end = performance.now() + forMs; performance.now() < end; said += 1) {
      speaker.tell("message:send", { room: "lobby", text: String(performance.now()), mid: randomUUID() });
      await sleep(SAID_EVERY_MS);
    }
    for (const end = performance.now() + PATIENCE_MS; took.length < said * LISTENERS; await sleep(10)) {
      if (performance.now() > end) throw new Error(`${took.length} of ${said * LISTENERS} deliveries`);
    }
    return { heard: took.length, p50: quantile(took, 0.5), p99: quantile(took, 0.99) };
  };
  // What the first words make is not the flood's.
  await listen(LISTEN_MS / 2);
  return listen;
}

/** Listens alone, and then with the flood; what that said at its end, and the rows of the report. */
export async function aloneAndFlooded(url, begin) {
  const listen = await audience(url);
  const alone = await listen(LISTEN_MS);
  const { said, stop } = begin();
  await sleep(500);
  const flooded = await listen(LISTEN_MS);
  stop();
  const rows = (flood) => [
    {
      what: `${flood}: p99 delivery of others`,
      here: `${times(flooded.p99, alone.p99)} (${ms(alone.p99)}, then ${ms(flooded.p99)})`,
      most: `${MOST_TIMES}×`,
      holds: flooded.p99 <= MOST_TIMES * alone.p99,
    },
    { what: "p50 of the same", here: times(flooded.p50, alone.p50) },
  ];
  return { said: await said, rows };
}
