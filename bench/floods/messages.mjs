// 10,000 messages a second from one socket: how late others hear each other.
import { randomUUID } from "node:crypto";

import { aloneAndFlooded } from "../lib/audience.mjs";
import { ATTACKER, aside, count, flooding, sleep, withNode } from "../lib/flood.mjs";
import { enter } from "../lib/raw.mjs";

const A_SECOND = 10_000;

export const measure = (binary) => withNode(binary, async ({ url }) => {
  const { said, rows } = await aloneAndFlooded(url, () => aside(import.meta, url));
  const { aSecond, closed } = said;
  return rows(`**${count(A_SECOND)} messages a second from one socket** (${count(aSecond)} were taken off it, ${closed} times closed for it)`);
});

await flooding(import.meta, async (url, isOver) => {
  let [sent, closed] = [0, 0];
  const began = performance.now();
  while (!isOver()) {
    const { socket, ask, tell, close } = await enter(url, { name: "flooder", headers: ATTACKER });
    socket.on("error", () => {});
    await ask("room:join", { room: "attic" });
    const [start, before] = [performance.now(), sent];
    while (!isOver() && socket.readyState === socket.OPEN) {
      const due = ((performance.now() - start) * A_SECOND) / 1_000;
      // What the node does not take in piles up here, and is not counted as sent.
      while (sent - before < due && socket.bufferedAmount < 1 << 20) {
        tell("message:send", { room: "attic", text: "buy now", mid: randomUUID() });
        sent += 1;
      }
      await sleep(5);
    }
    if (!isOver()) closed += 1;
    close();
  }
  return { aSecond: sent / ((performance.now() - began) / 1_000), closed };
});
