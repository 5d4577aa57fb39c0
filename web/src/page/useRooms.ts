// The rooms one is in: joined for as long as they are listed, with what each has unread.
import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from "react";

import type { Client } from "../client/index";
import { useClient, useConnection } from "../client/react";
import { useKept } from "./kept";
import { unreadOf } from "./rows";
import { drafts, put, reads, rooms } from "./state";

export interface Listed {
  name: string;
  unread: number;
  draft: boolean;
  denied: boolean;
}

/** Joins every listed room, once, wherever it is shown. */
export function useJoined() {
  const client = useClient();
  const names = useKept(rooms);
  const joined = useRef(new Map<string, () => void>());
  useEffect(() => {
    for (const name of names) if (!joined.current.has(name)) joined.current.set(name, client.room(name).join());
    for (const [name, leave] of joined.current) {
      if (names.includes(name)) continue;
      leave();
      joined.current.delete(name);
    }
  }, [client, names]);
  useEffect(() => {
    const all = joined.current;
    return () => {
      all.forEach((leave) => leave());
      all.clear();
    };
  }, [client]);
}

export function useListed(): readonly Listed[] {
  const client = useClient();
  const names = useKept(rooms);
  const read = useKept(reads);
  const unsent = useKept(drafts);
  const me = useConnection().me?.id;
  const states = useSnapshots(client, names);
  return useMemo(
    () =>
      names.map((name, i) => {
        const snap = states[i]!;
        return { name, unread: unreadOf(snap, read[name], me), draft: Boolean(unsent[name]), denied: snap.status === "denied" };
      }),
    [names, states, read, unsent, me],
  );
}

/** A room one has just come into has nothing unread: what was said before is history. */
export function useFirstReads() {
  const client = useClient();
  const names = useKept(rooms);
  const states = useSnapshots(client, names);
  useEffect(() => {
    names.forEach((name, i) => {
      const snap = states[i]!;
      const read = reads.get()[name];
      if (snap.status === "live" && (read === undefined || read > snap.head)) put(reads, name, snap.head);
    });
  }, [names, states]);
}

/** The snapshots of several rooms as one value that only changes when one of them does. */
function useSnapshots(client: Client, names: readonly string[]) {
  const last = useRef<ReturnType<ReturnType<Client["room"]>["snapshot"]>[]>([]);
  const subscribe = useCallback(
    (changed: () => void) => {
      const ends = names.map((name) => client.room(name).subscribe(changed));
      return () => ends.forEach((end) => end());
    },
    [client, names],
  );
  const get = () => {
    const now = names.map((name) => client.room(name).snapshot());
    if (now.length !== last.current.length || now.some((snap, i) => snap !== last.current[i])) last.current = now;
    return last.current;
  };
  return useSyncExternalStore(subscribe, get);
}
