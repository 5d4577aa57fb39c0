// Who is what in a room, and who is held out or silenced there, as it is told to those who keep order in it.
import { useCallback, useEffect, useMemo, useState } from "react";

import type { Act, Client, ClientSnapshot, Room, RoomRole, RoomSnapshot, User } from "../client/index";
import { useClient } from "../client/react";
import { kindOf } from "./kinds";

/** The most one page has; of bans and silences only the newest one is looked at. */
const PAGE = 200;
const PAGES_OF_ROLES = 10;
/** So many are looked at; a room may have more. */
export const MOST = { roles: PAGES_OF_ROLES * PAGE, held: PAGE };

export interface Held {
  id: string;
  what: "ban" | "mute";
  until?: number;
  reason?: string;
}

export interface Role {
  id: string;
  role: RoomRole;
}

export interface Order {
  state: "loading" | "done" | "failed";
  /** Highest first. */
  roles: readonly Role[];
  held: readonly Held[];
  /** There are others than these. */
  more: { roles: boolean; held: boolean };
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

/** Whether one says who keeps order there: as its owner, or, where it is public, as one who keeps order everywhere. */
export function appoints(room: Room, snap: RoomSnapshot, me: ClientSnapshot["me"]): boolean {
  return snap.me?.role === "owner" || (kindOf(room.name) === "public" && (me?.role === "moderator" || me?.role === "admin"));
}

export function useOrder(room: Room, snap: RoomSnapshot, wanted: boolean): Order {
  const client = useClient();
  const [state, setState] = useState<Order["state"]>("loading");
  const [roles, setRoles] = useState<readonly Role[]>([]);
  const [laid, setLaid] = useState<readonly Act[]>([]);
  const [more, setMore] = useState({ roles: false, held: false });
  const load = useCallback(async () => {
    try {
      const [are, holds] = await Promise.all([
        rolesIn(room.name, client),
        client.request("moderation:list", { room: room.name, limit: PAGE }),
      ]);
      setRoles(are.roles);
      setLaid(holds.acts);
      setMore({ roles: are.more, held: holds.count > holds.acts.length });
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

  const held = useMemo(() => laid.flatMap(heldBy), [laid]);
  const names = useMemo(() => namesIn(snap, laid), [snap.people, snap.messages, laid]);
  return {
    state,
    roles,
    held,
    more,
    nameOf: (id) => names.get(id),
    roleOf: (id) => roles.find((one) => one.id === id)?.role,
    reload: load,
  };
}

/** Who is what in a room, and whether there are more than are looked at. */
async function rolesIn(room: string, client: Client): Promise<{ roles: Role[]; more: boolean }> {
  const all: Role[] = [];
  let more = true;
  for (let page = 0; more && page < PAGES_OF_ROLES; page++) {
    const answer = await client.request("room:roles", { room, after: all.at(-1)?.id, limit: PAGE });
    all.push(...answer.roles.map(({ user, role }) => ({ id: user, role })));
    more = answer.more;
  }
  return { roles: all.sort((a, b) => RANK.indexOf(a.role) - RANK.indexOf(b.role)), more };
}

function heldBy({ deed, subject, until, reason }: Act): Held[] {
  if ((deed !== "ban" && deed !== "mute") || !subject || !("user" in subject)) return [];
  return [{ id: subject.user, what: deed, until: until ?? undefined, reason: reason || undefined }];
}

/** The newest name wins: who is there, then who wrote, then who banned or silenced somebody. */
function namesIn(snap: RoomSnapshot, laid: readonly Act[]): Map<string, string> {
  const names = new Map(introduced);
  const met = ({ id, name }: User) => name && names.set(id, name);
  [...laid].reverse().forEach(({ by }) => met(by));
  snap.messages.forEach(({ user }) => met(user));
  snap.people?.forEach(met);
  return names;
}
