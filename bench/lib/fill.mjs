// Says so many messages in each of some rooms, before anything is measured there.
import { randomUUID } from "node:crypto";

import { enter, untilReady } from "./raw.mjs";

/** On their way at once, in each room. */
const AT_ONCE = 64;
const TEXT = "x".repeat(100);

export async function fill({ url }, rooms, each) {
  await untilReady(url);
  await Promise.all(rooms.map((room) => fillOne(url, room, each)));
}

async function fillOne(url, room, each) {
  const { ask, close } = await enter(url);
  const must = async (event, payload) => {
    const { error } = await ask(event, payload);
    if (error) throw new Error(`${event} in ${room}: ${JSON.stringify(error)}`);
  };
  await must("room:join", { room });
  let left = each;
  const say = async () => {
    while (left > 0) {
      left -= 1;
      await must("message:send", { room, mid: randomUUID(), text: TEXT });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, say));
  close();
}
