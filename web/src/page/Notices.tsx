// Small notes at the edge of the page: an invitation, another role, a room one is no longer in.
import { useSyncExternalStore } from "react";

import { useConnection } from "../client/react";
import { Cross } from "./icons";
import { useLabel } from "./mine";
import { notices } from "./notices";
import type { NoticeOf } from "./notices";
import { enter } from "./state";
import { t } from "./strings";
import { sayUntil } from "./time";

/** `renew`: opens where a new token can be brought. */
export function Notices({ renew }: { renew(): void }) {
  const shown = useSyncExternalStore(notices.subscribe, notices.get);
  const { token } = useConnection();
  return (
    <section className="notices" aria-label={t.notices.title}>
      <div role="status">
        {token?.ending && <Ending at={token.endsAt} renew={renew} />}
        {shown.map((one) => <Card key={one.id} {...one} />)}
      </div>
    </section>
  );
}

/** Stays until there is a new one: it is not over by being read. */
function Ending({ at, renew }: { at: number; renew(): void }) {
  return (
    <div className="card">
      <p>{t.token.ending(sayUntil(at))}</p>
      <button type="button" onClick={renew}>{t.token.renew}</button>
    </div>
  );
}

function Card({ id, text, room }: NoticeOf) {
  return (
    <div className="card">
      <p dir="auto">{text}</p>
      {room && <Open room={room} />}
      <button type="button" className="quiet" aria-label={t.notices.dismiss} title={t.notices.dismiss} onClick={() => notices.dismiss(id)}><Cross /></button>
    </div>
  );
}

function Open({ room }: { room: string }) {
  const label = useLabel(room);
  return <button type="button" aria-label={t.notices.open(label)} onClick={() => enter(room)}>{t.notices.look}</button>;
}
