// In the place one writes in, where one may only read: why, and until when.
import { useEffect, useImperativeHandle, useRef, useState } from "react";
import type { Ref } from "react";

import type { Me, RoomSnapshot } from "../client/index";
import { useClient } from "../client/react";
import type { ComposerHandle } from "./Composer";
import { Lock } from "./icons";
import { drafts, put } from "./state";
import { t } from "./strings";
import { sayUntil } from "./time";
import { useLooking } from "./useReading";

/** What the server calls for ever; and the longest a timer can wait. */
const FOR_EVER = Number.MAX_SAFE_INTEGER;
const LONGEST_TIMER = 2 ** 31 - 1;
const ASK_EVERY_MS = 20_000;

/** Why one may not write, if so; it ends by itself. */
export function useSilence({ me }: RoomSnapshot, room: string): string | undefined {
  const [now, setNow] = useState(Date.now);
  const is = useLatest(me, room);
  const until = is?.muted_until ?? 0;
  useEffect(() => {
    const left = until - Date.now();
    setNow(Date.now());
    if (left <= 0) return;
    const timer = setTimeout(() => setNow(Date.now()), Math.min(left, LONGEST_TIMER));
    return () => clearTimeout(timer);
  }, [until]);
  if (!is) return undefined;
  if (is.announce && !moderates(is)) return t.silent.announce;
  if (is.role === "read_only") return t.silent.readOnly;
  if (moderates(is) || until <= now) return undefined;
  return until === FOR_EVER ? t.silent.muted : t.silent.mutedUntil(sayUntil(until));
}

const moderates = ({ role }: Me) => role === "owner" || role === "moderator";

/** Nobody is told when they may speak again, so it is asked: when one comes back to the page, and of a silence now and then. */
function useLatest(me: Me | undefined, room: string): Me | undefined {
  const client = useClient();
  const [asked, setAsked] = useState<{ of: Me | undefined; me: Me }>();
  const is = asked?.of === me ? (asked?.me ?? me) : me;
  const isHeld = is !== undefined && !moderates(is) && is.muted_until != null;
  const isSilent = isHeld || (is !== undefined && !moderates(is) && is.announce);
  const looks = useLooking();
  const was = useRef(looks);
  useEffect(() => {
    const cameBack = looks && !was.current;
    was.current = looks;
    if (!isSilent || !looks) return;
    // Not answered: one is where one was.
    const ask = () => void client.request("room:join", { room, limit: 1 }).then((now) => setAsked({ of: me, me: now.me }), () => {});
    if (cameBack) ask();
    if (!isHeld) return;
    const timer = setInterval(ask, ASK_EVERY_MS);
    return () => clearInterval(timer);
  }, [client, room, me, isSilent, isHeld, looks]);
  return is;
}

export function Silent({ room, why, ref }: { room: string; why: string; ref: Ref<ComposerHandle> }) {
  const place = useRef<HTMLParagraphElement>(null);
  useImperativeHandle(ref, () => ({
    focus: () => place.current?.focus(),
    // Kept for when one may write again.
    take: (text) => put(drafts, room, [text, drafts.get()[room]].filter(Boolean).join("\n")),
  }));
  return <p id="text" className="silent" ref={place} tabIndex={0} data-region="composer"><Lock />{why}</p>;
}
