// A session on /chat, spoken by hand over a WebSocket: a client library's own time would be in what is measured.
import { WebSocket } from "../../web/node_modules/ws/wrapper.mjs";

export const HANDSHAKE = "/socket.io/?EIO=4&transport=polling";

/** A node listens before it has its store, and answers 503 until then. */
export async function untilReady(url) {
  while (!(await fetch(url + HANDSHAKE)).ok) await new Promise((settle) => setTimeout(settle, 50));
}

/**
 * Somebody who has entered. `ask` sends an event and settles with its answer, `tell` sends one that is not answered,
 * `hear` is called with each event that comes.
 */
export function enter(url, { name, headers, hear = () => {} } = {}) {
  const socket = new WebSocket(`${url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`, { headers });
  const asked = new Map();
  let last = 0;
  const send = (id, event, payload) => socket.send(`42/chat,${id}${JSON.stringify([event, payload])}`);
  const tell = (event, payload) => send("", event, payload);
  const ask = (event, payload) => new Promise((settle, fail) => {
    last += 1;
    asked.set(String(last), { settle, fail });
    send(last, event, payload);
  });
  const close = () => socket.terminate();
  return new Promise((settle, fail) => {
    socket.once("error", fail);
    socket.once("close", (code) => {
      const why = new Error(`closed with ${code}`);
      fail(why);
      for (const one of asked.values()) one.fail(why);
    });
    socket.on("message", (data) => {
      const [, type, id, json] = /^(\d+)(?:\/chat,)?(\d*)(.*)$/s.exec(data.toString());
      if (type === "2") socket.send("3");
      else if (type.startsWith("0")) socket.send(`40/chat,${JSON.stringify({ name })}`);
      else if (type === "43") {
        asked.get(id)?.settle(JSON.parse(json)[0]);
        asked.delete(id);
      } else if (type === "42") {
        const [event, payload] = JSON.parse(json);
        if (event === "session:ready") settle({ socket, ask, tell, close });
        else hear(event, payload);
      }
    });
  });
}
