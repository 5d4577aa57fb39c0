// About one person in a room: to write to them alone, and, for who keeps order there, what they are and what holds.
import { useState } from "react";

import type { Given, HubbubError, Room, RoomRole, RoomSnapshot, User } from "../client/index";
import { useClient, useConnection } from "../client/react";
import { Avatar } from "./Avatar";
import { kindOf } from "./kinds";
import { know } from "./mine";
import { OrderForm } from "./OrderForm";
import { enter } from "./state";
import { sayError, sayUser, t } from "./strings";
import { appoints, governs, useOrder } from "./useOrder";
import type { Order } from "./useOrder";

interface Props {
  user: User;
  room: Room;
  snap: RoomSnapshot;
  close(): void;
}

export function PersonSheet({ user, room, snap, close }: Props) {
  const client = useClient();
  const { me } = useConnection();
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const isMe = user.id === me?.id;
  const may = governs(snap);
  const order = useOrder(room, snap, may);
  const name = sayUser(user);
  const role = isMe ? snap.me?.role : order.roleOf(user.id);

  const write = async () => {
    setBusy(true);
    try {
      const { room: opened } = await client.request("direct:open", { user: user.id });
      know(opened, user.id, user.name);
      close();
      enter(opened);
    } catch (error) {
      setProblem(sayError(error as HubbubError, t.direct.errors));
      setBusy(false);
    }
  };

  return (
    <div className="person">
      <p className="about">
        <Avatar user={user} />
        <span>
          {role && role !== "guest" && <span className="role">{t.roles[role]}</span>}
          <span className="hint">{t.person.id} <code>{user.id}</code></span>
          {isMe && <span className="hint">{t.person.idHint}</span>}
        </span>
      </p>
      {!isMe && user.classic && <p className="hint">{t.person.tutorial}{may && ` ${t.person.tutorialOrder}`}</p>}
      {!isMe && !user.classic && kindOf(room.name) !== "direct" && (
        <button type="button" className="primary" disabled={busy} onClick={() => void write()}>{t.person.message(name)}</button>
      )}
      <p role="alert" className="wrong">{problem}</p>
      {may && !isMe && order.state === "failed" && <p className="hint">{t.room.failed}</p>}
      {may && !isMe && order.state === "done" && (
        <>
          {!user.classic && <RoleForm user={user} name={name} room={room} order={order} role={role} high={appoints(room, snap, me)} owns={snap.me?.role === "owner"} />}
          <OrderForm user={user} name={name} room={room} order={order} role={role} />
        </>
      )}
    </div>
  );
}

interface RoleProps {
  user: User;
  name: string;
  room: Room;
  order: Order;
  role: RoomRole | undefined;
  /** One makes moderators... */
  high: boolean;
  /** ...and may hand the room on. */
  owns: boolean;
}

/** What somebody becomes; what this person may not make of them is not offered. */
function RoleForm({ user, name, room, order, role, high, owns }: RoleProps) {
  const client = useClient();
  const [choice, setChoice] = useState<string>();
  const [said, setSaid] = useState<{ problem?: string; done?: string }>({});
  const isPublic = kindOf(room.name) === "public";
  const now = role ?? "none";
  const chosen = choice ?? now;
  const locked = role === "owner" || (role === "moderator" && !high);

  const give = async () => {
    try {
      if (chosen === "none") await client.request("room:uninvite", { room: room.name, user: user.id });
      else await client.request("room:invite", { room: room.name, user: user.id, role: chosen as Given });
      setSaid({ done: t.person.given });
    } catch (error) {
      setSaid({ problem: sayError(error as HubbubError, t.rights) });
    }
    await order.reload();
    setChoice(undefined);
  };

  const options = ["read_only", "member", ...(high ? ["moderator"] : []), ...(owns ? ["owner"] : [])];
  return (
    <form className="part fields" onSubmit={(event) => (event.preventDefault(), void give())}>
      {locked && <p className="hint">{t.rights["forbidden"]}</p>}
      {!locked && (
        <>
          <label htmlFor="role">{t.person.role}</label>
          <p className="row">
            <select id="role" value={chosen} onChange={(event) => (setChoice(event.target.value), setSaid({}))} aria-describedby="role-hint">
              <option value="none">{isPublic ? t.person.noneHere : t.person.out}</option>
              {options.map((option) => <option key={option} value={option}>{t.roles[option]}</option>)}
            </select>
            <button type="submit" disabled={chosen === now}>{t.person.give}</button>
          </p>
          <p id="role-hint" className="hint">{chosen === "owner" ? t.person.ownerHint : chosen === "none" && now !== "none" && !isPublic ? t.person.outHint(name) : ""}</p>
        </>
      )}
      <p role="status" className={said.problem ? "wrong" : "hint"}>{said.problem ?? said.done}</p>
    </form>
  );
}
