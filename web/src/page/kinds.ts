// What a room's id says of it: whether it is private or a conversation of two, and what it is called.
import { t } from "./strings";

export type Kind = "public" | "private" | "direct";

const PRIVATE = /^prv_[a-z2-7]{26}(?:_(.+))?$/;
/** The server's own; an id is at most 64. */
export const LONGEST_PRIVATE_NAME = 33;

export function kindOf(room: string): Kind {
  return room.startsWith("prv_") ? "private" : room.startsWith("dm_") ? "direct" : "public";
}

/** What the room is called; with whom it is, where it is a conversation. */
export function labelOf(room: string, peers: Readonly<Record<string, { id: string; name?: string }>>): string {
  const kind = kindOf(room);
  if (kind === "public") return room;
  if (kind === "private") return PRIVATE.exec(room)?.[1] ?? t.rooms.unnamed;
  return peers[room]?.name || peers[room]?.id || t.direct.unknown;
}
