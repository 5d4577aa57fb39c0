// Private rooms and conversations: which ones are this person's, kept as the server tells it.
import type { Client, ServerEvents } from "../client/index";
import { kindOf, labelOf } from "./kinds";
import { useKept } from "./kept";
import { notices } from "./notices";
import { leave, openRoom, peers, put, reads, rooms } from "./state";
import { t } from "./strings";

/** Rooms that are being given up here: that one is out of them is no news. */
const leaving = new Set<string>();

export function useLabel(room: string): string {
  return labelOf(room, useKept(peers));
}

/** With whom a conversation is. A name is never forgotten for want of one. */
export function know(room: string, id: string, name: string | null | undefined) {
  const before = peers.get()[room];
  const next = { id, name: name || (before?.id === id ? before.name : undefined) };
  if (before?.id !== next.id || before.name !== next.name) put(peers, room, next);
  // All of a conversation that is new here is unread.
  if (reads.get()[room] === undefined) put(reads, room, 0);
}

/** Heeds what the server tells of one's rooms, for as long as the client is there. */
export function heedMine(client: Client) {
  client.on("session:ready", ({ rooms: mine }) => mine && settle(mine));
  client.on("room:invited", (told) => invited(told, client.snapshot().me?.id));
  client.on("room:removed", removed);
  client.on("message:new", ({ room, user }) => {
    if (peers.get()[room]?.id === user.id) know(room, user.id, user.name);
  });
  client.on("presence:changed", ({ joined, changed }) => {
    const named = new Map([...joined, ...changed].map((user) => [user.id, user.name]));
    for (const [room, { id }] of Object.entries(peers.get())) if (named.has(id)) know(room, id, named.get(id));
  });
}

/** The rooms one is in for good, whatever this device has kept of them. What one looks at says by itself that it is not there. */
function settle(mine: NonNullable<ServerEvents["session:ready"]["rooms"]>) {
  for (const { room, with: peer } of mine) if (peer) know(room, peer, undefined);
  const had = rooms.get();
  const theirs = new Set(mine.map(({ room }) => room));
  const stays = (room: string) => kindOf(room) === "public" || theirs.has(room) || room === openRoom.get();
  for (const room of had.filter((one) => !stays(one))) drop(room);
  const fresh = mine.map(({ room }) => room).filter((room) => !had.includes(room));
  if (fresh.length > 0) rooms.set([...rooms.get(), ...fresh]);
}

function invited({ room, role, by, with: peer }: ServerEvents["room:invited"], me: string | undefined) {
  if (peer) know(room, peer, by.id === peer ? by.name : undefined);
  const isNew = kindOf(room) !== "public" && !rooms.get().includes(room);
  if (isNew) rooms.set([...rooms.get(), room]);
  // Done by oneself, on another device.
  if (by.id === me) return;
  const who = by.name || t.timeline.guest;
  const label = labelOf(room, peers.get());
  if (peer) notices.say(t.notices.direct(who), room);
  else if (isNew) notices.say(t.notices.invited(who, label), room);
  else notices.say(t.notices.role(label, t.roles[role] ?? role), room);
}

function removed({ room, reason }: ServerEvents["room:removed"]) {
  if (leaving.has(room)) return leave(room);
  // Given up here, and told after the answer.
  if (!rooms.get().includes(room)) return;
  // Who looks at it is told there.
  if (room === openRoom.get()) return;
  if (reason === "uninvite") drop(room);
  else notices.say((reason === "ban" ? t.notices.ban : t.notices.kick)(labelOf(room, peers.get())), room);
}

function drop(room: string) {
  const label = labelOf(room, peers.get());
  notices.say(kindOf(room) === "direct" ? t.notices.over(label) : t.notices.uninvite(label));
  leave(room);
}

/** Gives up a private room or a conversation, on every device; a public one is only left here. */
export async function giveUp(room: string, client: Client) {
  const me = client.snapshot().me?.id;
  if (kindOf(room) === "public" || me === undefined) return leave(room);
  leaving.add(room);
  try {
    await client.request("room:uninvite", { room, user: me });
    leave(room);
  } finally {
    leaving.delete(room);
  }
}
