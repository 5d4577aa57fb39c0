// The rooms one is in, with what is unread in each; arrows go from one to the next.
import { useEffect, useRef, useState } from "react";
import type { KeyboardEvent } from "react";

import { Plus } from "./icons";
import { RoomSign } from "./RoomSign";
import { enter } from "./state";
import { t } from "./strings";
import type { Listed } from "./useRooms";

interface Props {
  rooms: readonly Listed[];
  current: string | null;
  add(): void;
  chosen?(): void;
}

export function RoomList({ rooms, current, add, chosen }: Props) {
  const list = useRef<HTMLDivElement>(null);
  const direct = rooms.filter(({ kind }) => kind === "direct");
  const others = rooms.filter(({ kind }) => kind !== "direct");
  const { above, below, look } = useHiddenUnread(list, rooms);

  const onKeyDown = (event: KeyboardEvent) => {
    const items = [...(list.current?.querySelectorAll<HTMLElement>("a") ?? [])];
    const at = items.indexOf(event.target as HTMLElement);
    const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: items.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    items[Math.max(0, Math.min(items.length - 1, to))]?.focus();
  };

  const tabStop = rooms.find(({ name }) => name === current)?.name ?? rooms[0]?.name;
  const scrollTo = (which: "first" | "last") => {
    const unread = list.current?.querySelectorAll("li.unread") ?? [];
    unread[which === "first" ? 0 : unread.length - 1]?.scrollIntoView({ block: "nearest" });
  };

  return (
    <div className="rooms">
      <div className="rooms-head">
        <h2 id="rooms-title">{t.rooms.title}</h2>
        <button type="button" className="quiet" onClick={add} aria-label={t.rooms.add} title={t.rooms.add}><Plus /></button>
      </div>
      {rooms.length === 0 && <p className="hint">{t.rooms.none}</p>}
      {above > 0 && <button type="button" className="pill above" tabIndex={-1} onClick={() => scrollTo("first")}>{t.rooms.unreadAbove(above)}</button>}
      <div id="rooms" ref={list} onKeyDown={onKeyDown} onScroll={look}>
        <ul aria-labelledby="rooms-title">{others.map((room) => <Row key={room.name} room={room} current={current} tabStop={tabStop} chosen={chosen} />)}</ul>
        {direct.length > 0 && (
          <>
            <h2 id="direct-title">{t.direct.title}</h2>
            <ul aria-labelledby="direct-title">{direct.map((room) => <Row key={room.name} room={room} current={current} tabStop={tabStop} chosen={chosen} />)}</ul>
          </>
        )}
      </div>
      {below > 0 && <button type="button" className="pill below" tabIndex={-1} onClick={() => scrollTo("last")}>{t.rooms.unreadBelow(below)}</button>}
    </div>
  );
}

function Row({ room, current, tabStop, chosen }: { room: Listed; current: string | null; tabStop: string | undefined; chosen?(): void }) {
  const { name, kind, label, peer, unread, draft, denied } = room;
  const isOpen = name === current;
  return (
    <li className={`${unread > 0 && !isOpen ? "unread" : ""} ${denied ? "denied" : ""}`}>
      <a
        href={`#${name}`}
        tabIndex={name === tabStop ? 0 : -1}
        data-region={name === tabStop ? "rooms" : undefined}
        aria-current={isOpen ? "page" : undefined}
        onClick={(event) => (event.preventDefault(), enter(name), chosen?.())}
      >
        <RoomSign kind={kind} peer={peer} />
        <bdi>{label}</bdi>
        {draft && !isOpen && <span className="draft" title={t.rooms.draft}><span className="unseen">, {t.rooms.draft}</span></span>}
        {unread > 0 && !isOpen && (
          <span className="count"><span aria-hidden="true">{unread > 99 ? "99+" : unread}</span><span className="unseen">, {t.rooms.unread(unread)}</span></span>
        )}
      </a>
    </li>
  );
}

/** How many unread rooms are scrolled out of sight, each way. */
function useHiddenUnread(list: React.RefObject<HTMLElement | null>, rooms: readonly Listed[]) {
  const [hidden, setHidden] = useState({ above: 0, below: 0 });
  const look = () => {
    const box = list.current?.getBoundingClientRect();
    if (!box) return;
    let above = 0;
    let below = 0;
    for (const row of list.current!.querySelectorAll("li.unread")) {
      const { top, bottom } = row.getBoundingClientRect();
      if (bottom <= box.top + 4) above++;
      else if (top >= box.bottom - 4) below++;
    }
    setHidden((was) => (was.above === above && was.below === below ? was : { above, below }));
  };
  useEffect(look, [rooms]);
  return { ...hidden, look };
}
