// A rival: socket.io on Node with its own Redis adapter, as its documentation shows it.
// PORT=… REDIS=redis://… [ADAPTER=sharded] [HISTORY=1] node server.mjs
//
// HISTORY writes every message to a Redis stream before it is emitted: what one would have to
// write oneself to be able to show a room's past. It still does not repair what pub/sub loses.
import { createServer } from "node:http";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const { PORT, REDIS, ADAPTER, HISTORY } = process.env;
const KEPT = 10_000;
const user = { id: "g_benchbenchbenchbenchbench", name: "load benchxx 100" };

const publisher = createClient({ url: REDIS });
const subscriber = publisher.duplicate();
for (const client of [publisher, subscriber]) client.on("error", (error) => console.error(error));
await Promise.all([publisher.connect(), subscriber.connect()]);

const http = createServer();
const io = new Server(http, {
  adapter: ADAPTER === "sharded" ? createShardedAdapter(publisher, subscriber) : createAdapter(publisher, subscriber),
});

io.of("/chat").on("connection", (socket) => {
  socket.on("room:join", async ({ room }, ack) => {
    await socket.join(room);
    ack({ ok: true });
  });
  socket.on("message:send", async ({ room, mid, text }, ack) => {
    const message = { room, mid, ts: Date.now(), user, text };
    if (HISTORY) {
      const entry = { json: JSON.stringify(message) };
      const options = { TRIM: { strategy: "MAXLEN", strategyModifier: "~", threshold: KEPT } };
      message.seq_id = await publisher.xAdd(`history:${room}`, "*", entry, options);
    }
    io.of("/chat").to(room).emit("message:new", message);
    ack({ ok: true });
  });
});

http.listen(Number(PORT), "127.0.0.1", 4096, () => console.log("listening"));
