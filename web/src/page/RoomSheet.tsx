// About a room: what kind it is and what one is in it; for who keeps order there, who is invited, and as what.
import type { Room, RoomSnapshot, User } from "../client/index";
import { useConnection } from "../client/react";
import { Avatar } from "./Avatar";
import { Held } from "./Held";
import { Invite } from "./Invite";
import { kindOf } from "./kinds";
import { sayUser, t } from "./strings";
import { governs, useOrder } from "./useOrder";

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
  const mine = (me && order.roleOf(me.id)) ?? snap.me?.role;
  return (
    <>
      <div className="about">
        <p>{isPublic ? t.room.public : t.room.private}</p>
        {snap.me?.announce && <p>{t.room.announce}</p>}
        {mine && <p className="hint">{t.room.you(t.roles[mine] ?? mine)}</p>}
        {!may && !isPublic && <p className="hint">{t.room.askOthers}</p>}
      </div>
      {may && (
        <>
          <Invite room={room} order={order} isOwner={mine === "owner"} />
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
            {order.partial && <p className="hint">{t.room.partial}</p>}
          </section>
          {order.held.length > 0 && (
            <section className="part" aria-labelledby="held-title">
              <h3 id="held-title">{t.room.held}</h3>
              <Held room={room} order={order} />
            </section>
          )}
        </>
      )}
    </>
  );
}
