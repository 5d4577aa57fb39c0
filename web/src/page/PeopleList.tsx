// Who is in the open room now; each opens what can be done with them.
import { useEffect, useMemo, useRef, useState } from "react";
import type { KeyboardEvent } from "react";

import type { Room, RoomSnapshot, User } from "../client/index";
import { Avatar } from "./Avatar";
import { t } from "./strings";

/** Names beyond these are only counted, so that a crowd does not slow the page. */
const MOST = 200;

interface Props {
  room: Room;
  snap: RoomSnapshot;
  me: string | undefined;
  /** Somebody was chosen. */
  person(user: User): void;
}

export function PeopleList({ room, snap, me, person }: Props) {
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => room.watchPeople(), [room]);
  const sorted = useMemo(() => {
    const names = new Intl.Collator(t.language);
    return [...(snap.people ?? [])].sort((a, b) => Number(b.id === me) - Number(a.id === me) || names.compare(a.name ?? "", b.name ?? ""));
  }, [snap.people, me]);
  const shown = sorted.slice(0, MOST);
  const [at, setAt] = useState<string>();
  const tabStop = shown.find(({ id }) => id === at)?.id ?? shown[0]?.id;
  const onKeyDown = (event: KeyboardEvent) => {
    const items = [...(list.current?.querySelectorAll<HTMLElement>("button") ?? [])];
    const from = items.indexOf(event.target as HTMLElement);
    const to = { ArrowUp: from - 1, ArrowDown: from + 1, Home: 0, End: items.length - 1 }[event.key];
    if (from < 0 || to === undefined) return;
    event.preventDefault();
    items[Math.max(0, Math.min(items.length - 1, to))]?.focus();
  };
  const more = Math.max(0, snap.count - shown.length);
  return (
    <div className="people">
      <h2 id="people-title">{t.people.title} <span id="count">{snap.count > 0 ? `(${snap.count})` : ""}</span></h2>
      {!snap.people && <p className="hint">{t.people.loading}</p>}
      <ul id="people" ref={list} aria-labelledby="people-title" onKeyDown={onKeyDown}>
        {shown.map((user) => (
          <li key={`${user.id} ${user.name ?? ""}`}>
            <button
              type="button"
              aria-haspopup="dialog"
              tabIndex={user.id === tabStop ? 0 : -1}
              data-region={user.id === tabStop ? "people" : undefined}
              onFocus={() => setAt(user.id)}
              onClick={() => person(user)}
            >
              <Avatar user={user} small />
              <bdi>{user.name || t.timeline.guest}</bdi>
              {user.id === me && <span className="hint">({t.people.you})</span>}
            </button>
          </li>
        ))}
      </ul>
      {snap.people && more > 0 && <p className="hint">{t.people.more(more)}</p>}
    </div>
  );
}
