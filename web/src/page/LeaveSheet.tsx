// Asks before a private room or a conversation is given up: one does not come back by oneself.
import { useState } from "react";

import type { HubbubError, RoomSnapshot } from "../client/index";
import { useClient } from "../client/react";
import { kindOf } from "./kinds";
import { giveUp, useLabel } from "./mine";
import { sayError, t } from "./strings";

export function LeaveSheet({ room, snap, close, govern }: { room: string; snap: RoomSnapshot; close(): void; govern(): void }) {
  const client = useClient();
  const label = useLabel(room);
  const [problem, setProblem] = useState<string>();
  const isDirect = kindOf(room) === "direct";
  if (snap.me?.role === "owner") {
    return (
      <>
        <p>{t.room.leaveOwner}</p>
        <p className="row"><button type="button" className="primary" onClick={govern}>{t.room.govern}</button><button type="button" onClick={close}>{t.room.stay}</button></p>
      </>
    );
  }
  const go = async () => {
    try {
      await giveUp(room, client);
      close();
    } catch (error) {
      setProblem(sayError(error as HubbubError, t.rights));
    }
  };
  return (
    <>
      <p>{isDirect ? t.direct.leaveHint(label) : t.room.leaveHint}</p>
      <p role="alert" className="wrong">{problem}</p>
      <p className="row">
        <button type="button" className="danger" onClick={() => void go()}>{isDirect ? t.direct.leave : t.room.leave}</button>
        <button type="button" onClick={close}>{isDirect ? t.direct.stay : t.room.stay}</button>
      </p>
    </>
  );
}
