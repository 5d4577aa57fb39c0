// Who is in the open room now.
import { useEffect, useMemo } from "react";

import type { Room, RoomSnapshot } from "../client/index";
import { Avatar } from "./Avatar";
import { t } from "./strings";

/** Names beyond these are only counted, so that a crowd does not slow the page. */
const MOST = 200;

export function PeopleList({ room, snap, me }: { room: Room; snap: RoomSnapshot; me: string | undefined }) {
  useEffect(() => room.watchPeople(), [room]);
  const sorted = useMemo(() => {
    const names = new Intl.Collator(t.language);
    return [...(snap.people ?? [])].sort((a, b) => Number(b.id === me) - Number(a.id === me) || names.compare(a.name ?? "", b.name ?? ""));
  }, [snap.people, me]);
  const more = Math.max(0, snap.count - Math.min(sorted.length, MOST));
  return (
    <div className="people">
      <h2 id="people-title">{t.people.title} <span id="count">{snap.count > 0 ? `(${snap.count})` : ""}</span></h2>
      {!snap.people && <p className="hint">{t.people.loading}</p>}
      <ul id="people" aria-labelledby="people-title" tabIndex={0} data-region="people">
        {sorted.slice(0, MOST).map((user) => (
          <li key={`${user.id} ${user.name ?? ""}`}>
            <Avatar user={user} small />
            <bdi>{user.name || t.timeline.guest}</bdi>
            {user.id === me && <span className="hint">({t.people.you})</span>}
          </li>
        ))}
      </ul>
      {snap.people && more > 0 && <p className="hint">{t.people.more(more)}</p>}
    </div>
  );
}
