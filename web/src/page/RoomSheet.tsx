// About a room: what kind it is and what one is in it; for who keeps order there, who is invited, and as what.
import { useEffect, useState } from "react";

import type { HubbubError, Room, RoomSnapshot, User } from "../client/index";
import { useClient, useConnection } from "../client/react";
import { Avatar } from "./Avatar";
import { Held } from "./Held";
import { Invite } from "./Invite";
import { kindOf } from "./kinds";
import { sayError, sayUser, t } from "./strings";
import { appoints, governs, MOST, useOrder } from "./useOrder";

interface Props {
  room: Room;
  snap: RoomSnapshot;
  person(user: User): void;
}

export function RoomSheet({ room, snap, person }: Props) {
  const { me } = useConnection();
  const may = governs(snap);
  const order = useOrder(room, snap, may);
  const isPublic = kindOf(room.name) === "public";
  const mine = snap.me?.role;
  const announce = snap.me?.announce ?? false;
  return (
    <>
      <div className="about">
        <p>{isPublic ? t.room.public : t.room.private}</p>
        {announce && <p>{t.room.announce}</p>}
        {mine && <p className="hint">{t.room.you(t.roles[mine] ?? mine)}</p>}
        {!may && !isPublic && <p className="hint">{t.room.askOthers}</p>}
      </div>
      {may && (
        <>
          {order.state !== "failed" && <Invite room={room} order={order} high={appoints(room, snap, me)} />}
          <section className="part" aria-labelledby="roles-title">
            <h3 id="roles-title">{t.room.withRoles}</h3>
            {order.state !== "done" && <p className="hint" role="status">{order.state === "loading" ? t.room.loading : t.room.failed}</p>}
            <ul className="found" aria-labelledby="roles-title">
              {order.roles.map(({ id, role }) => {
                const user = { id, name: id === me?.id ? me.name : order.nameOf(id) };
                return (
                  <li key={id}>
                    <button type="button" onClick={() => person(user)}>
                      <Avatar user={user} small />
                      <bdi>{sayUser(user)}</bdi>
                      <span className="hint">{t.roles[role]}</span>
                    </button>
                  </li>
                );
              })}
            </ul>
            {order.more.roles && <p className="hint">{t.room.moreRoles(MOST.roles)}</p>}
          </section>
          {order.state === "done" && <Announcing room={room} is={announce} />}
          {(order.held.length > 0 || order.more.held) && (
            <section className="part" aria-labelledby="held-title">
              <h3 id="held-title">{t.room.held}</h3>
              <Held room={room} order={order} />
              {order.more.held && <p className="hint">{t.room.moreHeld(MOST.held)}</p>}
            </section>
          )}
        </>
      )}
    </>
  );
}

/** Whether everybody writes, or only those who keep order. */
function Announcing({ room, is }: { room: Room; is: boolean }) {
  const client = useClient();
  const [problem, setProblem] = useState<string>();
  const [wanted, setWanted] = useState<boolean>();
  // What was asked for shows until the room says so itself.
  useEffect(() => setWanted(undefined), [is]);
  const change = async (announce: boolean) => {
    setWanted(announce);
    try {
      await client.request("room:update", { room: room.name, announce });
      setProblem(undefined);
    } catch (error) {
      setProblem(sayError(error as HubbubError, t.rights));
      setWanted(undefined);
    }
  };
  return (
    <div className="part kinds">
      <label><input type="checkbox" checked={wanted ?? is} onChange={(event) => void change(event.target.checked)} /><span>{t.create.announce}<span className="hint">{t.create.announceHint}</span></span></label>
      <p role="alert" className="wrong">{problem}</p>
    </div>
  );
}
