// Says so many messages in each of some rooms, before anything is measured there.
import { randomUUID } from "node:crypto";

import { WebSocket } from "../../web/node_modules/ws/wrapper.mjs";

/** On their way at once, in each room. */
const AT_ONCE = 64;
const TEXT = "x".repeat(100);

export async function fill({ url }, rooms, each) {
  // A node listens before it has reached its Redis, and says 503 until then.
  while (!(await fetch(`${url}/socket.io/?EIO=4&transport=polling`)).ok) await new Promise((resolve) => setTimeout(resolve, 50));
  await Promise.all(rooms.map((room) => fillOne(url.replace("http", "ws"), room, each)));
}

function fillOne(url, room, each) {
  const socket = new WebSocket(`${url}/socket.io/?EIO=4&transport=websocket`);
  let [sent, acked] = [0, 0];
  const ask = (event, payload) => socket.send(`42/chat,${sent}${JSON.stringify([event, payload])}`);
  const say = () => {
    if (sent === each) return;
    sent += 1;
    ask("message:send", { room, mid: randomUUID(), text: TEXT });
  };
  return new Promise((settle, fail) => {
    socket.once("error", fail);
    socket.once("close", () => fail(new Error(`closed after ${acked} of ${each} messages in ${room}`)));
    socket.on("message", (data) => {
      const frame = data.toString();
      if (frame === "2") socket.send("3");
      else if (frame.startsWith("0")) socket.send("40/chat,{}");
      else if (frame.startsWith('42/chat,["session:ready"')) ask("room:join", { room });
      else if (frame.startsWith("43/chat,")) {
        if (!frame.includes('"ok":true')) return fail(new Error(frame));
        if (sent === 0) for (let n = 0; n < Math.min(AT_ONCE, each); n += 1) say();
        else {
          acked += 1;
          if (acked === each) {
            socket.removeAllListeners("close");
            socket.close();
            settle();
          } else say();
        }
      }
    });
  });
}
