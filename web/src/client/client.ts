// The client: one connection, its rooms, and who listens.
import { Connection, type Opener } from "./connection.js";
import type { Env } from "./env.js";
import { memoryOutbox, indexedDbOutbox } from "./outbox-store.js";
import { LiveRoom } from "./room.js";
import type { Client, ClientEvents, ClientOptions, OutboxStore, ServerEvents } from "./types.js";

type Heard = (payload: never) => void;

/** As `createClient`, over any socket and any clock. */
export function openClient(url: string, options: ClientOptions, open: Opener, env: Env): Client {
  const origin = url.replace(/\/+$/, "");
  const rooms = new Map<string, LiveRoom>();
  const listeners = new Map<string, Set<Heard>>();
  const store = options.outbox === "memory" ? memoryOutbox() : (options.outbox ?? keptOutbox(origin));
  const sizes = { page: options.pageSize ?? 50, keep: Math.max(options.keep ?? 2_000, 200) };

  const tell = <E extends keyof ClientEvents>(event: E, payload: ClientEvents[E]): void => {
    for (const heard of [...(listeners.get(event) ?? [])]) (heard as (payload: ClientEvents[E]) => void)(payload);
  };
  const room = (name: string): LiveRoom => {
    const known = rooms.get(name) ?? new LiveRoom(name, connection, env, sizes, store);
    rooms.set(name, known);
    return known;
  };
  const connection: Connection = new Connection(origin, options, open, env, {
    ready() {
      rooms.forEach((one) => one.connected());
      store.adopt().then((entries) => entries.forEach((entry) => room(entry.room).adopt(entry)), () => {});
    },
    lost: () => rooms.forEach((one) => one.lost()),
    heard(event, payload) {
      route(rooms, event, payload);
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
    request: (event, payload) => connection.ask(event, payload),
    retryNow: connection.retryNow,
    rename: (name) => connection.rename(name),
    async rooms(cursor, limit) {
      const page = await connection.ask("room:list", { ...(cursor && { cursor }), ...(limit && { limit }) });
      return { rooms: page.rooms, ...(page.cursor && { cursor: page.cursor }) };
    },
    room,
    close() {
      connection.close();
      store.close();
    },
  };
}

function route<E extends keyof ServerEvents>(rooms: Map<string, LiveRoom>, event: E, payload: ServerEvents[E]): void {
  const room = "room" in payload ? rooms.get(payload.room) : undefined;
  if (!room) return;
  const told = { event, payload } as { [K in keyof ServerEvents]: { event: K; payload: ServerEvents[K] } }[keyof ServerEvents];
  switch (told.event) {
    case "message:new":
      return room.entry(told.payload);
    case "room:head":
      return room.beacon(told.payload);
    case "room:reset":
      return room.reset(told.payload);
    case "presence:changed":
      return room.people(told.payload);
    case "typing":
      return room.types(told.payload);
    default:
  }
}

function keptOutbox(origin: string): OutboxStore {
  try {
    return globalThis.indexedDB ? indexedDbOutbox(`hubbub:outbox${origin && `:${origin}`}`) : memoryOutbox();
  } catch {
    return memoryOutbox();
  }
}
