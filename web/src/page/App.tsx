// First a name, then the chat; a name the server refuses leads back to the first.
import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from "react";

import { createClient } from "../client/index";
import { indexedDbOutbox } from "../client/outbox-store";
import { HubbubProvider } from "../client/react";
import { Chat } from "./Chat";
import { useKept } from "./kept";
import { heedMine } from "./mine";
import { NameForm } from "./NameForm";
import { enter, name as keptName, openRoom, settings } from "./state";
import { t } from "./strings";

/** So many messages of a room stay in memory: one may read back this far without a page being fetched again. */
const KEEP = 20_000;
/** WebSocket first: polling needs a balancer that keeps a client on one node. */
const TRANSPORTS = { transports: ["websocket", "polling"], tryAllTransports: true };
const REFUSALS = ["bad_request", "reserved"];

export function App() {
  useAppearance();
  const [name, setName] = useState(keptName.get());
  const [problem, setProblem] = useState<string>();
  const refused = useCallback((why: string) => {
    setProblem(t.nameErrors[why]);
    setName("");
  }, []);
  if (!name) {
    return (
      <main className="gate">
        <p className="brand"><span className="mark" aria-hidden="true" />{t.product}</p>
        <h1>{t.name.title}</h1>
        <NameForm
          initial={keptName.get()}
          problem={problem}
          action={t.name.enter}
          hint={t.name.hint}
          busy={false}
          done={(chosen) => {
            setProblem(undefined);
            keptName.set(chosen);
            setName(chosen);
          }}
        />
      </main>
    );
  }
  return <Connected name={name} refused={refused} />;
}

function Connected({ name, refused }: { name: string; refused(why: string): void }) {
  const [attempt, setAttempt] = useState(0);
  const client = useClientOf(name, attempt);
  const current = useSyncExternalStore(openRoom.subscribe, openRoom.get);
  useEffect(() => {
    if (current) enter(current);
  }, [current]);
  useEffect(() => {
    if (!client) return;
    const look = () => {
      const { state, why } = client.snapshot();
      if (state === "closed" && why && REFUSALS.includes(why)) refused(why);
    };
    look();
    return client.subscribe(look);
  }, [client, refused]);
  const again = useMemo(() => () => setAttempt((n) => n + 1), []);
  if (!client) return null;
  return (
    <HubbubProvider client={client} key={attempt}>
      <Chat current={current} again={again} />
    </HubbubProvider>
  );
}

/** A client for as long as the page is there; another one for another attempt. */
function useClientOf(name: string, attempt: number) {
  const [client, setClient] = useState<ReturnType<typeof createClient>>();
  useEffect(() => {
    const made = createClient(undefined, { name: keptName.get() || name, keep: KEEP, socket: TRANSPORTS, outbox: indexedDbOutbox() });
    heedMine(made);
    setClient(made);
    return () => made.close();
  }, [name, attempt]);
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
