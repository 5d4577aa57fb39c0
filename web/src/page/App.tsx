// First the gate, then the chat; what the server refuses leads back to the first.
import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from "react";

import { createClient } from "../client/index";
import { indexedDbOutbox } from "../client/outbox-store";
import { HubbubProvider } from "../client/react";
import { Chat } from "./Chat";
import { Gate, turnedBy } from "./Gate";
import type { Turned } from "./Gate";
import { useKept } from "./kept";
import { heedMine } from "./mine";
import { enter, name as keptName, openRoom, settings } from "./state";
import { t } from "./strings";
import { token } from "./token";

/** So many messages of a room stay in memory: one may read back this far without a page being fetched again. */
const KEEP = 20_000;
/** WebSocket first: polling needs a balancer that keeps a client on one node. */
const TRANSPORTS = { transports: ["websocket", "polling"], tryAllTransports: true };

export function App() {
  useAppearance();
  const [isIn, setIn] = useState(keptName.get() !== "" || token.get() !== "");
  const [turned, setTurned] = useState<Turned>({ must: false });
  const closed = useCallback((why: string) => {
    const next = turnedBy(why, turned);
    if (!next) return;
    if (next.token) token.set("");
    setTurned(next);
    setIn(false);
  }, [turned]);
  return isIn ? <Connected closed={closed} /> : <Gate turned={turned} done={() => setIn(true)} />;
}

function Connected({ closed }: { closed(why: string): void }) {
  const [attempt, setAttempt] = useState(0);
  const client = useClientOf(attempt);
  const current = useSyncExternalStore(openRoom.subscribe, openRoom.get);
  useEffect(() => {
    if (current) enter(current);
  }, [current]);
  useEffect(() => {
    if (!client) return;
    const look = () => {
      const { state, why } = client.snapshot();
      if (state === "closed" && why) closed(why);
    };
    look();
    return client.subscribe(look);
  }, [client, closed]);
  const again = useMemo(() => () => setAttempt((n) => n + 1), []);
  if (!client) return null;
  return (
    <HubbubProvider client={client} key={attempt}>
      <Chat current={current} again={again} />
    </HubbubProvider>
  );
}

/** A client for as long as the page is there; another one for another attempt. */
function useClientOf(attempt: number) {
  const [client, setClient] = useState<ReturnType<typeof createClient>>();
  useEffect(() => {
    const who = { name: keptName.get() || undefined, token: token.get() || undefined };
    const made = createClient(undefined, { ...who, keep: KEEP, socket: TRANSPORTS, outbox: indexedDbOutbox() });
    heedMine(made);
    setClient(made);
    return () => made.close();
  }, [attempt]);
  return client;
}

/** Tells the style sheet what was chosen; what was not follows the system. */
function useAppearance() {
  const { theme, contrast, stillness, direction } = useKept(settings);
  useEffect(() => {
    const root = document.documentElement;
    root.lang = t.language;
    root.dir = direction === "auto" ? t.direction : direction;
    root.dataset["theme"] = theme;
    root.dataset["contrast"] = contrast ? "more" : "system";
    root.dataset["motion"] = stillness ? "reduce" : "system";
  }, [theme, contrast, stillness, direction]);
}
