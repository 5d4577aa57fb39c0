// Keeps order: sends somebody out of a room, silences or bans them there, with a reason and for a time.
import { useState } from "react";

import type { HubbubError, Room, RoomRole, User } from "../client/index";
import { useClient } from "../client/react";
import { Held } from "./Held";
import { toDialog } from "./Modal";
import { sayError, t } from "./strings";
import type { Order } from "./useOrder";

type Deed = keyof typeof t.person.deeds;
type Length = keyof typeof t.person.lengths;

const LENGTHS: Record<Length, number | undefined> = { minutes: 600_000, hour: 3_600_000, day: 86_400_000, ever: undefined };
/** The server's own. */
const LONGEST_REASON = 200;

interface Props {
  user: User;
  name: string;
  room: Room;
  order: Order;
  role: RoomRole | undefined;
}

export function OrderForm({ user, name, room, order, role }: Props) {
  const client = useClient();
  const [deed, setDeed] = useState<Deed>();
  const [length, setLength] = useState<Length>("hour");
  const [reason, setReason] = useState("");
  const [said, setSaid] = useState<{ problem?: string; done?: string }>({});
  if (role === "owner" || role === "moderator") return <p className="hint">{t.person.keepsOrder(name)}</p>;

  const carryOut = async () => {
    if (!deed) return;
    const lasts = deed === "kick" ? undefined : LENGTHS[length];
    try {
      await client.request(`moderation:${deed}`, { room: room.name, user: user.id, reason: reason.trim(), until: lasts && Date.now() + lasts });
      setSaid({ done: t.person.done[deed](name) });
      setDeed(undefined);
      setReason("");
      toDialog();
      await order.reload();
    } catch (error) {
      setSaid({ problem: sayError(error as HubbubError, t.rights) });
    }
  };

  return (
    <section className="part" aria-labelledby="order-title">
      <h3 id="order-title">{t.person.order}</h3>
      <Held room={room} order={order} of={user.id} name={name} />
      <p className="row">
        {(Object.keys(t.person.deeds) as Deed[]).map((one) => (
          <button key={one} type="button" aria-pressed={deed === one} onClick={() => (setDeed(deed === one ? undefined : one), setSaid({}))}>{t.person.deeds[one]}</button>
        ))}
      </p>
      {deed && (
        <form className="fields" onSubmit={(event) => (event.preventDefault(), void carryOut())}>
          <p className="hint">{t.person.deedHints[deed]}</p>
          {deed !== "kick" && (
            <>
              <label htmlFor="length">{t.person.how}</label>
              <select id="length" value={length} onChange={(event) => setLength(event.target.value as Length)}>
                {(Object.keys(LENGTHS) as Length[]).map((one) => <option key={one} value={one}>{t.person.lengths[one]}</option>)}
              </select>
            </>
          )}
          <label htmlFor="reason">{t.person.why}</label>
          <input id="reason" value={reason} maxLength={LONGEST_REASON} dir="auto" autoComplete="off" onChange={(event) => setReason(event.target.value)} aria-describedby="reason-hint" />
          <p id="reason-hint" className="hint">{t.person.whyHint}</p>
          <button type="submit" className="danger">{t.person.confirm[deed](name)}</button>
        </form>
      )}
      <p role="status" className={said.problem ? "wrong" : "hint"}>{said.problem ?? said.done}</p>
    </section>
  );
}
