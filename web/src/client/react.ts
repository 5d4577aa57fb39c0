// React over the core: four names and no state of their own.
import { createContext, createElement, useContext, useEffect, useSyncExternalStore } from "react";
import type { ReactElement, ReactNode } from "react";

import type { Client, ClientSnapshot, Room, RoomSnapshot } from "./types.js";

const Context = createContext<Client | undefined>(undefined);

export function HubbubProvider({ client, children }: { client: Client; children?: ReactNode }): ReactElement {
  return createElement(Context.Provider, { value: client }, children);
}

export function useClient(): Client {
  const client = useContext(Context);
  if (!client) throw new Error("there is no HubbubProvider above");
  return client;
}

/** Where the connection stands; renders again when that changes. */
export function useConnection(): ClientSnapshot {
  const client = useClient();
  return useSyncExternalStore(client.subscribe, client.snapshot, client.snapshot);
}

/** A room, joined for as long as the component is there. */
export function useRoom(name: string): [RoomSnapshot, Room] {
  const room = useClient().room(name);
  useEffect(() => room.join(), [room]);
  return [useSyncExternalStore(room.subscribe, room.snapshot, room.snapshot), room];
}
