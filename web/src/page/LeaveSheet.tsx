// Asks before a private room or a conversation is given up: one does not come back by oneself.
import { useState } from "react";

import type { HubbubError } from "../client/index";
import { useClient } from "../client/react";
import { kindOf } from "./kinds";
import { giveUp, useLabel } from "./mine";
import { sayError, t } from "./strings";

export function LeaveSheet({ room, close, govern }: { room: string; close(): void; govern(): void }) {
  const client = useClient();
  const label = useLabel(room);
  const [refused, setRefused] = useState<HubbubError>();
  const isDirect = kindOf(room) === "direct";
  // Whose room it is may have changed since one came in: the server is asked rather than what one was then.
  const isOwner = refused?.code === "forbidden";
  const go = async () => {
    try {
      await giveUp(room, client);
      close();
    } catch (error) {
      setRefused(error as HubbubError);
    }
  };
  return (
    <>
      <p>{isDirect ? t.direct.leaveHint(label) : t.room.leaveHint}</p>
      <p role="alert" className="wrong">{refused && (isOwner ? t.room.leaveOwner : sayError(refused, t.rights))}</p>
      <p className="row">
        {isOwner && <button type="button" className="primary" onClick={govern}>{t.room.govern}</button>}
        {!isOwner && <button type="button" className="danger" onClick={() => void go()}>{isDirect ? t.direct.leave : t.room.leave}</button>}
        <button type="button" onClick={close}>{isDirect ? t.direct.stay : t.room.stay}</button>
      </p>
    </>
  );
}
