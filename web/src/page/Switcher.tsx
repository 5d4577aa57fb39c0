// Ctrl+K: from room to room by a few letters; with none typed, the unread ones stand first.
import { useRef, useState } from "react";
import type { KeyboardEvent } from "react";

import { Modal } from "./Modal";
import { RoomSign } from "./RoomSign";
import { enter, roomName } from "./state";
import { t } from "./strings";
import type { Listed } from "./useRooms";

interface Props {
  open: boolean;
  close(): void;
  rooms: readonly Listed[];
  current: string | null;
  finalFocus(): HTMLElement | null;
}

export function Switcher(props: Props) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <Modal open={props.open} close={props.close} title={t.switcher.title} kind="switcher" initialFocus={input} finalFocus={props.finalFocus}>
      <Choices {...props} input={input} />
    </Modal>
  );
}

function Choices({ close, rooms, current, input }: Props & { input: React.RefObject<HTMLInputElement | null> }) {
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const query = roomName(typed);
  const words = typed.trim().toLocaleLowerCase();
  const ranked = rooms.filter((room) => place(room, query, words) >= 0).sort((a, b) => rank(b, query, words, current) - rank(a, query, words, current));
  const fresh = query && !rooms.some(({ label }) => label === query) ? [{ name: query, label: t.switcher.join(query), kind: "public" as const, peer: undefined, unread: 0 }] : [];
  const choices = [...ranked, ...fresh];
  const chosen = Math.min(at, choices.length - 1);

  const go = (name: string | undefined) => {
    if (!name) return;
    enter(name);
    close();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && choices.length > 0) {
      event.preventDefault();
      setAt((chosen + step + choices.length) % choices.length);
    } else if (event.key === "Enter" && !event.nativeEvent.isComposing) {
      event.preventDefault();
      go(choices[chosen]?.name);
    }
  };

  return (
    <>
      <input
        ref={input}
        id="switcher"
        role="combobox"
        aria-label={t.switcher.hint}
        aria-expanded="true"
        aria-controls="switcher-rooms"
        aria-autocomplete="list"
        aria-activedescendant={choices[chosen] && `go-${choices[chosen].name}`}
        placeholder={t.switcher.hint}
        value={typed}
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        onChange={(event) => (setTyped(event.target.value), setAt(0))}
        onKeyDown={onKeyDown}
      />
      <div id="switcher-rooms" role="listbox" aria-label={t.rooms.title}>
        {choices.map(({ name, label, kind, peer, unread }, i) => (
          <div key={name} id={`go-${name}`} role="option" aria-selected={i === chosen} ref={i === chosen ? intoView : undefined} onClick={() => go(name)} onPointerMove={() => setAt(i)}>
            <RoomSign kind={kind} peer={peer} />
            <bdi>{label}</bdi>
            {unread > 0 && <span className="count"><span aria-hidden="true">{unread > 99 ? "99+" : unread}</span><span className="unseen">, {t.rooms.unread(unread)}</span></span>}
          </div>
        ))}
      </div>
      {choices.length === 0 && <p className="hint">{t.switcher.none}</p>}
      <p className="hint keys">{t.switcher.keys}</p>
    </>
  );
}

/** Unread before read, what begins with the letters before what has them inside, the open room last. */
function rank(room: Listed, query: string, words: string, current: string | null): number {
  return (words && place(room, query, words) === 0 ? 4 : 0) + (room.unread > 0 ? 2 : 0) - (room.name === current ? 1 : 0);
}

/** Where in its name a room has what was typed, or what of it a room can be called; below 0: nowhere. */
function place({ label }: Listed, query: string, words: string): number {
  const at = label.toLocaleLowerCase().indexOf(words);
  return at >= 0 || !query ? at : label.indexOf(query);
}

const intoView = (element: HTMLElement | null) => element?.scrollIntoView({ block: "nearest" });
