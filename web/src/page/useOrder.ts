// Who is what in a room, and who is held out or silenced there, as its record tells those who keep order in it.
import { useCallback, useEffect, useMemo, useState } from "react";

import type { Act, Room, RoomRole, RoomSnapshot, User } from "../client/index";
import { useClient } from "../client/react";

/** The most one page of the record has; roles from before are not known here. */
const PAGE = 200;

export interface Held {
  id: string;
  what: "ban" | "mute";
  until?: number;
  reason?: string;
}

export interface Order {
  state: "loading" | "done" | "failed";
  /** Highest first. */
  roles: readonly { id: string; role: RoomRole }[];
  held: readonly Held[];
  /** There are changes older than what was read. */
  partial: boolean;
  /** What somebody is called, as far as anything here tells. */
  nameOf(id: string): string | undefined;
  roleOf(id: string): RoomRole | undefined;
  reload(): Promise<void>;
}

const RANK: readonly RoomRole[] = ["owner", "moderator", "member", "read_only"];

/** Those whom one has invited, by the names one knew them by: they may be nowhere that tells. */
const introduced = new Map<string, string>();
const MOST_INTRODUCED = 500;

export function introduce(id: string, name: string) {
  if (introduced.size >= MOST_INTRODUCED) introduced.clear();
  introduced.set(id, name);
}

/** Whether one keeps order there. */
export function governs(snap: RoomSnapshot): boolean {
  return snap.status !== "denied" && (snap.me?.role === "owner" || snap.me?.role === "moderator");
}

export function useOrder(room: Room, snap: RoomSnapshot, wanted: boolean): Order {
  const client = useClient();
  const [state, setState] = useState<Order["state"]>("loading");
  const [record, setRecord] = useState<readonly Act[]>([]);
  const [laid, setLaid] = useState<readonly Act[]>([]);
  const load = useCallback(async () => {
    try {
      const [done, holds] = await Promise.all([
        client.request("moderation:record", { room: room.name, limit: PAGE }),
        client.request("moderation:list", { room: room.name, limit: PAGE }),
      ]);
      setRecord(done.acts);
      setLaid(holds.acts);
      setState("done");
    } catch {
      setState("failed");
    }
  }, [client, room]);
  useEffect(() => {
    if (!wanted) return;
    setState("loading");
    void load();
  }, [wanted, load]);

  const roles = useMemo(() => rolesIn(record), [record]);
  const held = useMemo(() => laid.flatMap(heldBy), [laid]);
  const names = useMemo(() => namesIn(snap, record), [snap.people, snap.messages, record]);
  return {
    state,
    roles,
    held,
    partial: record.length >= PAGE,
    nameOf: (id) => names.get(id),
    roleOf: (id) => roles.find((one) => one.id === id)?.role,
    reload: load,
  };
}

/** What everybody is after all of these, which come newest first. */
function rolesIn(record: readonly Act[]): { id: string; role: RoomRole }[] {
  const is = new Map<string, RoomRole>();
  for (const { deed, subject, role, by } of [...record].reverse()) {
    if (!subject || !("user" in subject)) continue;
    if (deed === "uninvite") is.delete(subject.user);
    if (deed !== "invite" || !role) continue;
    // Who hands a room on keeps order in it.
    if (role === "owner" && by.id !== subject.user) is.set(by.id, "moderator");
    is.set(subject.user, role);
  }
  return [...is].map(([id, role]) => ({ id, role })).sort((a, b) => RANK.indexOf(a.role) - RANK.indexOf(b.role));
}

function heldBy({ deed, subject, until, reason }: Act): Held[] {
  if ((deed !== "ban" && deed !== "mute") || !subject || !("user" in subject)) return [];
  return [{ id: subject.user, what: deed, until: until ?? undefined, reason: reason || undefined }];
}

/** The newest name wins: who is there, then who wrote, then who was on record. */
function namesIn(snap: RoomSnapshot, record: readonly Act[]): Map<string, string> {
  const names = new Map(introduced);
  const met = ({ id, name }: User) => name && names.set(id, name);
  [...record].reverse().forEach(({ by }) => met(by));
  snap.messages.forEach(({ user }) => met(user));
  snap.people?.forEach(met);
  return names;
}
