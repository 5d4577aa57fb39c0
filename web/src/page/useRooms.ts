// The rooms one is in: joined for as long as they are listed, with what each has unread.
import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from "react";

import type { Client } from "../client/index";
import { useClient, useConnection } from "../client/react";
import { useKept } from "./kept";
import { kindOf, labelOf } from "./kinds";
import type { Kind } from "./kinds";
import { know } from "./mine";
import { unreadOf } from "./rows";
import { drafts, peers, put, reads, rooms } from "./state";

export interface Listed {
  /** The room's id. */
  name: string;
  kind: Kind;
  /** What it is called here. */
  label: string;
  /** Of a conversation: with whom. */
  peer?: { id: string; name?: string };
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

/** Conversations stand after all rooms. */
export function useListed(): readonly Listed[] {
  const client = useClient();
  const names = useKept(rooms);
  const read = useKept(reads);
  const unsent = useKept(drafts);
  const known = useKept(peers);
  const me = useConnection().me?.id;
  const states = useSnapshots(client, names);
  return useMemo(
    () => {
      const all = names.map((name, i): Listed => {
        const snap = states[i]!;
        const of = { name, kind: kindOf(name), label: labelOf(name, known), peer: known[name] };
        return { ...of, unread: unreadOf(snap, read[name], me), draft: Boolean(unsent[name]), denied: snap.status === "denied" };
      });
      return [...all.filter(({ kind }) => kind !== "direct"), ...all.filter(({ kind }) => kind === "direct")];
    },
    [names, states, read, unsent, known, me],
  );
}

/** Who a conversation is with, is called as they signed their last message, until something newer is heard. */
export function usePeerNames() {
  const client = useClient();
  const names = useKept(rooms);
  const states = useSnapshots(client, names);
  useEffect(() => {
    names.forEach((name, i) => {
      const peer = peers.get()[name];
      if (!peer || peer.name) return;
      const said = states[i]!.messages.findLast(({ user }) => user.id === peer.id);
      if (said) know(name, peer.id, said.user.name);
    });
  }, [names, states]);
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
