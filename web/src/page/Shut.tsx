// In the place of a room that one was sent out of or cannot enter: why, and what can be done.
import { useEffect, useRef } from "react";

import type { Room, RoomSnapshot } from "../client/index";
import { Lock } from "./icons";
import { kindOf } from "./kinds";
import type { Kind } from "./kinds";
import { useLabel } from "./mine";
import { leave } from "./state";
import { sayError, t } from "./strings";

export function Shut({ room, snap }: { room: Room; snap: RoomSnapshot }) {
  const label = useLabel(room.name);
  const panel = useRef<HTMLElement>(null);
  const kind = kindOf(room.name);
  const isMine = kind !== "public";
  const isOver = snap.removed === "uninvite" || (isMine && snap.error?.code === "not_found");
  // Where one wrote is gone: whoever was there is here.
  useEffect(() => {
    if (document.activeElement === document.body || document.activeElement === null) panel.current?.focus();
  }, []);
  // It is nobody's to come back to: gone from the list as soon as one looks elsewhere.
  useEffect(() => {
    if (!isOver) return;
    return () => {
      if (room.snapshot().status === "denied") leave(room.name);
    };
  }, [isOver, room]);
  const comeBack = () => room.join()();
  return (
    <section id="text" className="shut" ref={panel} tabIndex={-1} aria-labelledby="shut-title" data-part="messages" data-region="messages">
      <Lock />
      <h2 id="shut-title">{(kind === "direct" ? t.shut.direct : t.shut.title)(label)}</h2>
      <p role="alert">{why(snap, kind)}</p>
      <p className="row">
        {!isOver && <button type="button" className="primary" onClick={comeBack}>{snap.removed === "kick" ? t.shut.comeBack : t.shut.again}</button>}
        <button type="button" onClick={() => leave(room.name)}>{t.shut.remove}</button>
      </p>
    </section>
  );
}

function why({ removed, error }: RoomSnapshot, kind: Kind): string {
  if (removed === "uninvite") return kind === "direct" ? t.shut.given : t.shut.uninvite;
  if (removed === "kick") return t.shut.kick;
  if (removed === "ban" || error?.code === "banned") return t.shut.ban;
  if (error?.code === "not_found" && kind !== "public") return t.shut.notYours;
  return t.shut.other(error ? sayError(error) : "");
}
