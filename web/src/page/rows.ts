// Messages as rows: who begins a group, where a day begins, where the new ones begin.
import type { Message } from "../client/index";
import { dayOf } from "./time";

export interface Row {
  message: Message;
  /** Shows who and when: another author, or more than five minutes, or a divider above. */
  leads: boolean;
  /** Follows what is missing, and is no more or not loaded: what one missed while away for long. */
  gap: boolean;
  /** Begins a day. */
  day?: number;
  /** The first that was not read when the room was opened. */
  isNew: boolean;
}

const GROUP_MS = 5 * 60_000;

/** When unsent messages were first seen: they have no time of their own, and must not regroup with every render. */
const firstSeen = new Map<string, number>();
export function timeOf(message: Message): number {
  if (message.ts !== undefined) return message.ts;
  let seen = firstSeen.get(message.mid);
  if (seen === undefined) firstSeen.set(message.mid, (seen = Date.now()));
  return seen;
}

/**
 * `newSince`: the last number read when the room was opened; absent where there is nothing new. The first of a window with
 * more before it is no row yet: whether it leads or begins a day is known only when that has come, and a row one sees
 * must not change its height then.
 */
export function toRows({ messages, hasBefore, truncated }: { messages: readonly Message[]; hasBefore: boolean; truncated?: boolean }, newSince: number | undefined, me: string | undefined): Row[] {
  let before: Message | undefined;
  let beforeTs = 0;
  let marked = newSince === undefined;
  const rows = messages.map((message, i) => {
    const gap = i === 0 && truncated === true;
    const ts = timeOf(message);
    const day = (before ? dayOf(ts) === dayOf(beforeTs) : hasBefore) ? undefined : ts;
    const isNew = !marked && message.seq !== undefined && message.seq > newSince! && message.user.id !== me;
    if (isNew) marked = true;
    const goesOn = before && day === undefined && !isNew && sameAuthor(before, message) && ts - beforeTs < GROUP_MS;
    before = message;
    beforeTs = ts;
    return { message, leads: !goesOn, gap, day, isNew };
  });
  const [first] = rows;
  const isKnown = first?.gap || (first?.isNew && first.message.seq === newSince! + 1);
  return hasBefore && rows.length > 1 && !isKnown ? rows.slice(1) : rows;
}

const sameAuthor = (a: Message, b: Message) => a.user.id === b.user.id && a.user.name === b.user.name;

/** How many messages of others come after the last one read, as far as can be known. */
export function unreadOf(room: { messages: readonly Message[]; head: number; hasAfter: boolean }, read: number | undefined, me: string | undefined): number {
  if (read === undefined || room.head <= read) return 0;
  if (room.hasAfter) return room.head - read;
  let unread = 0;
  let first = Infinity;
  for (let i = room.messages.length - 1; i >= 0; i--) {
    const { seq, user } = room.messages[i]!;
    if (seq === undefined) continue;
    if (seq <= read) return unread;
    first = seq;
    if (user.id !== me) unread++;
  }
  return unread + (first === Infinity ? room.head - read : first - read - 1);
}
