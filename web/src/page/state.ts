// What the page remembers about its person: name, rooms, drafts, places in the history, what was read, settings.
import { kept } from "./kept";
import { notices } from "./notices";

/** Where one was in a room: a row that was wholly visible and how far below the top edge it stood. */
export interface Place {
  mid: string;
  seq: number;
  offset: number;
}

export interface Settings {
  theme: "system" | "light" | "dark";
  contrast: boolean;
  stillness: boolean;
  plain: boolean;
  enterSends: boolean;
  direction: "auto" | "ltr" | "rtl";
}

export const FIRST_ROOM = "lobby";
export const ROOM_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;

export const name = kept("hubbub.name", "");
export const rooms = kept<readonly string[]>("hubbub.rooms", [FIRST_ROOM]);
/** The last room of any tab, for a tab that is opened without one in its address. */
const lastRoom = kept<string | null>("hubbub.room", FIRST_ROOM);
export const drafts = kept<Readonly<Record<string, string>>>("hubbub.drafts", {});
/** The last number read in each room; the server does not keep it yet. */
export const reads = kept<Readonly<Record<string, number>>>("hubbub.reads", {});
/** With whom each conversation is, and what they were called last: the server knows them by their id alone. */
export const peers = kept<Readonly<Record<string, { id: string; name?: string }>>>("hubbub.peers", {});
/** Of this tab alone, so that two tabs can stand at two places. Absent: at the end. */
export const places = kept<Readonly<Record<string, Place>>>("hubbub.places", {}, () => sessionStorage);
export const settings = kept<Settings>("hubbub.settings", {
  theme: "system",
  contrast: false,
  stillness: false,
  plain: false,
  enterSends: true,
  direction: "auto",
});
export const showPeople = kept("hubbub.people", true);

/** Puts a key's value, or takes the key out where there is none. */
export function put<T>(store: { get(): Readonly<Record<string, T>>; set(value: Readonly<Record<string, T>>): void }, key: string, value: T | undefined) {
  const before = store.get();
  if (before[key] === value) return;
  const { [key]: _, ...others } = before;
  store.set(value === undefined ? others : { ...others, [key]: value });
}

// === The open room: the address says it, so that a reload, a bookmark and the back button work

const listeners = new Set<() => void>();

export const openRoom = {
  get(): string | null {
    const said = decodeURIComponent(location.hash.slice(1));
    if (ROOM_NAME.test(said)) return said;
    const last = lastRoom.get();
    return last && rooms.get().includes(last) ? last : (rooms.get()[0] ?? null);
  },
  subscribe(changed: () => void) {
    listeners.add(changed);
    return () => listeners.delete(changed);
  },
};
addEventListener("hashchange", () => {
  const room = openRoom.get();
  if (room) enter(room);
  listeners.forEach((changed) => changed());
});

/** Opens a room, and is in it from now on. */
export function enter(room: string) {
  if (!rooms.get().includes(room)) rooms.set([...rooms.get(), room]);
  lastRoom.set(room);
  notices.opened(room);
  if (location.hash !== `#${room}`) location.hash = room;
  listeners.forEach((changed) => changed());
}

export function leave(room: string) {
  const at = rooms.get().indexOf(room);
  const left = rooms.get().filter((other) => other !== room);
  rooms.set(left);
  put(places, room, undefined);
  put(reads, room, undefined);
  put(peers, room, undefined);
  const next = left[Math.max(0, at - 1)];
  if (openRoom.get() !== room) return;
  if (next) enter(next);
  else {
    history.replaceState(null, "", location.pathname);
    listeners.forEach((changed) => changed());
  }
}

/** What somebody typed, as the name of a room; empty if nothing of it can be used. */
export function roomName(typed: string): string {
  return typed
    .normalize("NFKD")
    .toLowerCase()
    .replace(/\p{M}/gu, "")
    .replace(/[^a-z0-9_-]+/g, "-")
    .replace(/-{2,}/g, "-")
    .replace(/^[-_]+/, "")
    .slice(0, 64);
}
