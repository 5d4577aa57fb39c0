// The open room: its messages, who types, and where one writes.
import { useCallback, useMemo, useState } from "react";
import type { RefObject } from "react";

import { useConnection, useRoom } from "../client/react";
import { Announcer } from "./Announcer";
import { Composer } from "./Composer";
import type { ComposerHandle } from "./Composer";
import { useLabel } from "./mine";
import { Shut } from "./Shut";
import { Silent, useSilence } from "./Silent";
import { t } from "./strings";
import { Timeline } from "./Timeline";
import { Typing } from "./Typing";

/** Mounted anew for each room. */
export function RoomView({ name, composer }: { name: string; composer: RefObject<ComposerHandle | null> }) {
  const [snap, room] = useRoom(name);
  const { me, limits } = useConnection();
  const label = useLabel(name);
  const silence = useSilence(snap.me);
  const [endWanted, setEndWanted] = useState(0);
  const toEnd = useCallback(() => setEndWanted((n) => n + 1), []);
  const toComposer = useCallback(() => composer.current?.focus(), [composer]);
  const actions = useMemo(
    () => ({
      retry: (mid: string) => void room.retry(mid),
      edit: (mid: string) => composer.current?.take(room.discard(mid) ?? ""),
      remove(mid: string) {
        room.discard(mid);
        composer.current?.focus();
      },
    }),
    [room, composer],
  );
  if (snap.status === "denied") return <Shut room={room} snap={snap} />;
  return (
    <>
      <section className="messages" aria-label={t.regions.messages} data-part="messages">
        <Timeline room={room} label={label} snap={snap} me={me?.id} {...actions} toComposer={toComposer} endWanted={endWanted} toEnd={toEnd} />
      </section>
      <section className="writing" aria-label={t.regions.composer} data-part="composer">
        <Typing snap={snap} />
        {silence ? <Silent ref={composer} room={name} why={silence} /> : <Composer ref={composer} room={room} label={label} most={limits?.text} sent={toEnd} toEnd={toEnd} />}
      </section>
      <Announcer snap={snap} me={me?.id} />
    </>
  );
}
