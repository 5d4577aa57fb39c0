// Bans and silences that hold in a room, of everybody or of one, each with the way out of it.
import { useState } from "react";

import type { HubbubError, Room } from "../client/index";
import { useClient } from "../client/react";
import { toDialog } from "./Modal";
import { sayError, t } from "./strings";
import { sayUntil } from "./time";
import type { Held as HeldBy, Order } from "./useOrder";

interface Props {
  room: Room;
  order: Order;
  /** Only theirs, who are called so. */
  of?: string;
  name?: string;
}

export function Held({ room, order, of, name }: Props) {
  const client = useClient();
  const [said, setSaid] = useState<{ problem?: string; done?: string }>({});
  const held = order.held.filter(({ id }) => of === undefined || id === of);
  const called = (id: string) => name ?? order.nameOf(id) ?? id;
  const lift = async ({ id, what }: HeldBy) => {
    try {
      await client.request(what === "ban" ? "moderation:unban" : "moderation:unmute", { room: room.name, user: id });
      setSaid({ done: t.room.lifted[what](called(id)) });
      toDialog();
      await order.reload();
    } catch (error) {
      setSaid({ problem: sayError(error as HubbubError, t.rights) });
    }
  };
  return (
    <>
      {held.length > 0 && (
        <ul className="held">
          {held.map((one) => (
            <li key={`${one.what} ${one.id}`}>
              <p>
                {of === undefined && <bdi>{called(one.id)}</bdi>}
                <span className="hint">{say(one)}</span>
              </p>
              <button type="button" onClick={() => void lift(one)}>{t.room.lift[one.what](called(one.id))}</button>
            </li>
          ))}
        </ul>
      )}
      <p role="status" className={said.problem ? "wrong" : "hint"}>{said.problem ?? said.done}</p>
    </>
  );
}

function say({ what, until, reason }: HeldBy): string {
  const is = what === "ban" ? t.room.banned : t.room.muted;
  const lasts = until === undefined ? is : t.room.until(is, sayUntil(until));
  return reason ? t.room.reason(lasts, reason) : lasts;
}
