// Other rooms of this server and private ones of one's own, to join one, or a name to make a new one.
import { useCallback, useEffect, useRef, useState } from "react";

import { useClient } from "../client/react";
import { Modal } from "./Modal";
import { enter, roomName } from "./state";
import { t } from "./strings";

interface Props {
  open: boolean;
  close(): void;
  mine: readonly string[];
}

export function AddRoom(props: Props) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <Modal open={props.open} close={props.close} title={t.rooms.add} initialFocus={input}>
      <Browse {...props} input={input} />
    </Modal>
  );
}

type Found = { room: string; head: number };

function Browse({ close, mine, input }: Props & { input: React.RefObject<HTMLInputElement | null> }) {
  const client = useClient();
  const [typed, setTyped] = useState("");
  const [found, setFound] = useState<readonly Found[]>([]);
  const [cursor, setCursor] = useState<string>();
  const [state, setState] = useState<"loading" | "done" | "failed">("loading");

  const load = useCallback(
    async (from?: string) => {
      setState("loading");
      try {
        const page = await client.rooms(from, 100);
        setFound((had) => (from ? [...had, ...page.rooms] : [...(page.mine ?? []), ...page.rooms]));
        setCursor(page.cursor ?? undefined);
        setState("done");
      } catch {
        setState("failed");
      }
    },
    [client],
  );
  useEffect(() => void load(), [load]);

  const name = roomName(typed);
  const shown = found.filter(({ room }) => room.includes(name));
  const exists = mine.includes(name) || found.some(({ room }) => room === name);
  const go = (room: string) => {
    enter(room);
    close();
  };

  return (
    <form className="browse" onSubmit={(event) => (event.preventDefault(), name && go(name))}>
      <label htmlFor="room-name">{t.rooms.find}</label>
      <input id="room-name" ref={input} value={typed} onChange={(event) => setTyped(event.target.value)} autoComplete="off" autoCapitalize="off" spellCheck={false} aria-describedby="room-hint" />
      <p id="room-hint" className="hint">{t.rooms.findHint}</p>
      {name && !exists && <button type="submit" className="primary">{state === "done" && !cursor ? t.rooms.create(name) : t.switcher.join(name)}</button>}
      <ul className="found">
        {shown.map(({ room, head }) => (
          <li key={room}>
            <button type="button" onClick={() => go(room)}>
              <span className="hash" aria-hidden="true">#</span>
              <bdi>{room}</bdi>
              <span className="hint">{mine.includes(room) ? t.rooms.joined : t.rooms.messages(head)}</span>
            </button>
          </li>
        ))}
      </ul>
      <p className="hint" role="status">{state === "loading" ? t.rooms.loading : state === "failed" ? t.rooms.failed : shown.length === 0 && !name ? t.rooms.noMatch : ""}</p>
      {state === "failed" && <button type="button" onClick={() => void load()}>{t.rooms.again}</button>}
      {cursor && state === "done" && <button type="button" onClick={() => void load(cursor)}>{t.rooms.more}</button>}
    </form>
  );
}
