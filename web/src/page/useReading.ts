// What counts as read: only what stood at the end of a visible page that had the focus.
import { useEffect, useRef, useState } from "react";

import type { Room, RoomSnapshot } from "../client/index";
import { put, reads } from "./state";
import { unreadOf } from "./rows";

function looking() {
  return document.visibilityState === "visible" && document.hasFocus();
}

/** Whether somebody looks at the page; following is position, reading is this. */
export function useLooking(): boolean {
  const [is, set] = useState(looking);
  useEffect(() => {
    const look = () => set(looking());
    const events = ["focus", "blur", "visibilitychange"] as const;
    events.forEach((event) => addEventListener(event, look));
    document.addEventListener("visibilitychange", look);
    return () => {
      events.forEach((event) => removeEventListener(event, look));
      document.removeEventListener("visibilitychange", look);
    };
  }, []);
  return is;
}

/** Marks what is seen as read, and says from where on messages were new. */
export function useReading(room: Room, snap: RoomSnapshot, atEnd: boolean, me: string | undefined): number | undefined {
  const looks = useLooking();
  const reading = looks && atEnd && !snap.hasAfter && snap.status !== "offline";
  // Frozen when the room is opened: a divider that went away while one reads would be of no use.
  const [since, setSince] = useState<number | undefined>(() => {
    const read = reads.get()[room.name];
    return unreadOf(snap, read, me) > 0 ? read : undefined;
  });
  const seen = useRef(reads.get()[room.name]);
  useEffect(() => {
    const read = reads.get()[room.name];
    // A log that began anew, or a room never seen before: all there is counts as read.
    if (snap.head > 0 && (read === undefined || read > snap.head)) {
      put(reads, room.name, snap.head);
      seen.current = snap.head;
      return;
    }
    if (reading && snap.head > (read ?? 0)) {
      seen.current = snap.head;
      put(reads, room.name, snap.head);
      room.markRead();
    } else if (!looks && read !== undefined && unreadOf(snap, read, me) > 0) {
      // Came while nobody looked: the divider moves to the first of these, once.
      setSince((now) => (now !== undefined && now >= read ? now : read));
    }
  }, [reading, looks, snap, room, me]);
  return since;
}
