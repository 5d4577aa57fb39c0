// Other rooms of this server and private ones of one's own, to join one, or a name to make a new one.
import { useCallback, useEffect, useRef, useState } from "react";

import type { Client, HubbubError } from "../client/index";
import { useClient } from "../client/react";
import { kindOf, labelOf, LONGEST_PRIVATE_NAME } from "./kinds";
import { Modal } from "./Modal";
import { RoomSign } from "./RoomSign";
import { enter, peers, roomName } from "./state";
import { sayError, t } from "./strings";

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
interface Plan {
  visibility: "public" | "private";
  announce: boolean;
}

function Browse({ close, mine, input }: Props & { input: React.RefObject<HTMLInputElement | null> }) {
  const client = useClient();
  const [typed, setTyped] = useState("");
  const [plan, setPlan] = useState<Plan>({ visibility: "public", announce: false });
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
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

  const isPrivate = plan.visibility === "private";
  const name = roomName(typed);
  const called = isPrivate ? name.slice(0, LONGEST_PRIVATE_NAME).replace(/[-_]+$/, "") : name;
  const label = (room: string) => labelOf(room, peers.get());
  const shown = found.filter(({ room }) => label(room).includes(name));
  const exists = mine.includes(name) || found.some(({ room }) => room === name);
  const go = (room: string) => {
    enter(room);
    close();
  };
  const submit = async () => {
    if (!name || busy) return;
    if (exists && !isPrivate) return go(name);
    setBusy(true);
    try {
      go(await make(client, called, plan));
    } catch (error) {
      setProblem(sayError(error as HubbubError, t.create.errors));
      setBusy(false);
    }
  };
  const change = (next: Partial<Plan>) => (setPlan({ ...plan, ...next }), setProblem(undefined));

  return (
    <form className="browse" onSubmit={(event) => (event.preventDefault(), void submit())}>
      <label htmlFor="room-name">{t.rooms.find}</label>
      <input id="room-name" ref={input} value={typed} onChange={(event) => (setTyped(event.target.value), setProblem(undefined))} autoComplete="off" autoCapitalize="off" spellCheck={false} aria-describedby="room-hint" />
      <p id="room-hint" className="hint">{t.rooms.findHint}</p>
      <ul className="found">
        {shown.map(({ room, head }) => (
          <li key={room}>
            <button type="button" onClick={() => go(room)}>
              <RoomSign kind={kindOf(room)} peer={undefined} />
              <bdi>{label(room)}</bdi>
              <span className="hint">{mine.includes(room) ? t.rooms.joined : t.rooms.messages(head)}</span>
            </button>
          </li>
        ))}
      </ul>
      <p className="hint" role="status">{state === "loading" ? t.rooms.loading : state === "failed" ? t.rooms.failed : shown.length === 0 && !name ? t.rooms.noMatch : ""}</p>
      {state === "failed" && <button type="button" onClick={() => void load()}>{t.rooms.again}</button>}
      {cursor && state === "done" && <button type="button" onClick={() => void load(cursor)}>{t.rooms.more}</button>}
      {name && (
        <>
          <fieldset className="kinds">
            <legend>{t.create.title}</legend>
            <label><input type="radio" name="visibility" checked={!isPrivate} onChange={() => change({ visibility: "public" })} /><span>{t.create.public}<span className="hint">{t.create.publicHint}</span></span></label>
            <label><input type="radio" name="visibility" checked={isPrivate} onChange={() => change({ visibility: "private" })} /><span>{t.create.private}<span className="hint">{t.create.privateHint}</span></span></label>
            <label><input type="checkbox" checked={plan.announce} onChange={(event) => change({ announce: event.target.checked })} /><span>{t.create.announce}<span className="hint">{t.create.announceHint}</span></span></label>
          </fieldset>
          <p role="alert" className="wrong">{problem}</p>
          {(isPrivate || !exists) && <button type="submit" className="primary" disabled={busy}>{isPrivate || plan.announce || (state === "done" && !cursor) ? t.rooms.create(called) : t.switcher.join(called)}</button>}
        </>
      )}
    </form>
  );
}

/** Makes a room and gives its id. A public one that everybody writes in needs nobody to make it, only to come in. */
async function make(client: Client, name: string, { visibility, announce }: Plan): Promise<string> {
  try {
    return (await client.request("room:create", { room: name, visibility, announce })).room;
  } catch (error) {
    const { code } = error as HubbubError;
    if (visibility === "private" || announce || (code !== "forbidden" && code !== "conflict")) throw error;
    await client.request("room:join", { room: name, limit: 1 });
    return name;
  }
}
