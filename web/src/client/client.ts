// The client: one connection, its rooms, and who listens.
import { type Connection, openConnection, type Opener } from "./connection.js";
import type { Env } from "./env.js";
import { type LiveRoom, openRoom } from "./room.js";
import type { Client, ClientEvents, ClientOptions } from "./types.js";

type Heard = (payload: never) => void;

/** As `createClient`, over any socket and any clock. */
export function openClient(url: string, options: ClientOptions, open: Opener, env: Env): Client {
  const origin = url.replace(/\/+$/, "");
  const rooms = new Map<string, LiveRoom>();
  const listeners = new Map<string, Set<Heard>>();
  const store = options.outbox;
  const sizes = { page: options.pageSize ?? 50, keep: Math.max(options.keep ?? 2_000, 200) };

  const tell = <E extends keyof ClientEvents>(event: E, payload: ClientEvents[E]): void => {
    for (const heard of [...(listeners.get(event) ?? [])]) (heard as (payload: ClientEvents[E]) => void)(payload);
  };
  const room = (name: string): LiveRoom => {
    const known = rooms.get(name) ?? openRoom(name, connection, env, sizes, store);
    rooms.set(name, known);
    return known;
  };
  const connection: Connection = openConnection(origin, options, open, env, {
    ready() {
      rooms.forEach((one) => one.connected());
      store?.adopt().then((entries) => entries.forEach((entry) => room(entry.room).adopt(entry)), () => {});
    },
    restored: () => rooms.forEach((one) => one.restored()),
    lost: () => rooms.forEach((one) => one.lost()),
    heard(event, payload) {
      if ("room" in payload) rooms.get(payload.room)?.heard(event, payload);
      tell(event, payload as ClientEvents[typeof event]);
    },
    failed: (failure) => tell("error", failure),
  });
  connection.subscribe(() => tell("state", connection.snapshot()));

  return {
    snapshot: connection.snapshot,
    subscribe: connection.subscribe,
    on(event, heard) {
      const set = listeners.get(event) ?? new Set();
      listeners.set(event, set.add(heard as Heard));
      return () => void set.delete(heard as Heard);
    },
    request: connection.ask,
    retryNow: connection.retryNow,
    rename: connection.rename,
    refresh: connection.refresh,
    rooms: (cursor, limit) => connection.ask("room:list", { cursor, limit }),
    room,
    close() {
      connection.close();
      store?.close();
    },
  };
}
