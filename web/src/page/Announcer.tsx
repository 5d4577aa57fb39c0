// Tells screen readers what is new in the open room: never history, never one's own, and a count rather than a flood.
import { useEffect, useRef, useState } from "react";

import type { RoomSnapshot } from "../client/index";
import { t } from "./strings";

/** As many are read out; more are only counted. */
const MOST = 3;
/** What comes within this time is told together. */
const TOGETHER_MS = 400;

/** Not the list itself: scrolling a virtual list adds rows, and all history would be read aloud. */
export function Announcer({ snap, me }: { snap: RoomSnapshot; me: string | undefined }) {
  const [lines, setLines] = useState<readonly { id: number; text: string }[]>([]);
  const told = useRef<number>(undefined);
  const newest = useRef(snap);
  newest.current = snap;
  useEffect(() => {
    if (snap.head === 0 && told.current === undefined) return;
    if (told.current === undefined || told.current > snap.head) told.current = snap.head;
    if (snap.head === told.current) return;
    const timer = setTimeout(() => {
      const from = told.current ?? 0;
      told.current = newest.current.head;
      const fresh = newest.current.messages.filter(({ seq, user }) => seq !== undefined && seq > from && user.id !== me);
      if (fresh.length === 0) return;
      const texts = fresh.length > MOST ? [t.announce.many(fresh.length)] : fresh.map(({ user, text }) => t.announce.message(user.name || t.timeline.guest, text));
      setLines(texts.map((text, i) => ({ id: newest.current.head * 10 + i, text })));
    }, TOGETHER_MS);
    return () => clearTimeout(timer);
  }, [snap.head, me]);
  return <div className="unseen" role="log" aria-live="polite" aria-relevant="additions">{lines.map(({ id, text }) => <p key={id}>{text}</p>)}</div>;
}
