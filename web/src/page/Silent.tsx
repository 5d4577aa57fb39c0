// In the place one writes in, where one may only read: why, and until when.
import { useEffect, useImperativeHandle, useRef, useState } from "react";
import type { Ref } from "react";

import type { Me } from "../client/index";
import type { ComposerHandle } from "./Composer";
import { Lock } from "./icons";
import { drafts, put } from "./state";
import { t } from "./strings";
import { sayUntil } from "./time";

/** What the server calls for ever; and the longest a timer can wait. */
const FOR_EVER = Number.MAX_SAFE_INTEGER;
const LONGEST_TIMER = 2 ** 31 - 1;

/** Why one may not write, if so; it ends by itself. */
export function useSilence(me: Me | undefined): string | undefined {
  const [now, setNow] = useState(Date.now);
  const until = me?.muted_until ?? 0;
  useEffect(() => {
    const left = until - Date.now();
    setNow(Date.now());
    if (left <= 0) return;
    const timer = setTimeout(() => setNow(Date.now()), Math.min(left, LONGEST_TIMER));
    return () => clearTimeout(timer);
  }, [until]);
  if (!me || me.role === "owner" || me.role === "moderator") return undefined;
  if (me.announce) return t.silent.announce;
  if (me.role === "read_only") return t.silent.readOnly;
  if (until <= now) return undefined;
  return until === FOR_EVER ? t.silent.muted : t.silent.mutedUntil(sayUntil(until));
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
