// How the connection is, when it is not well: driven by the client's state alone, never by a success elsewhere.
import { useEffect, useRef, useState } from "react";

import { useClient, useConnection } from "../client/react";
import type { ClientSnapshot } from "../client/index";
import { t } from "./strings";

/** A hiccup shorter than this is not worth a word. */
const PATIENCE_MS = 1_200;
const BACK_FOR_MS = 3_000;
/** That one is somebody new takes longer to read. */
const REPLACED_FOR_MS = 8_000;

type Shown = "trouble" | "back" | "replaced" | undefined;

export function Banner({ again }: { again(): void }) {
  const client = useClient();
  const connection = useConnection();
  const well = connection.state === "ready" || (connection.state === "connecting" && !connection.why);
  const [shown, setShown] = useState<Shown>();
  /** The node before the trouble: the way back may lead to another. */
  const node = useRef(connection.node);
  const moved = useRef(false);
  if (connection.node && connection.state === "ready") {
    if (node.current && node.current !== connection.node) moved.current = true;
    node.current = connection.node;
  }

  useEffect(() => {
    if (!well) {
      const timer = setTimeout(() => setShown("trouble"), connection.state === "closed" ? 0 : PATIENCE_MS);
      return () => clearTimeout(timer);
    }
    // A move so quick that nobody noticed is still told, since it is what one came to see.
    const replaced = connection.why === "session_replaced";
    setShown((now) => (replaced ? "replaced" : now === "trouble" || moved.current ? "back" : undefined));
    const timer = setTimeout(() => {
      moved.current = false;
      setShown(undefined);
    }, replaced ? REPLACED_FOR_MS : BACK_FOR_MS);
    return () => clearTimeout(timer);
  }, [well, connection.state, connection.node, connection.why]);

  const countdown = useCountdown(connection.retryAt);
  const text = well ? good(shown, moved.current ? connection.node : undefined) : shown === "trouble" ? trouble(connection, countdown) : "";
  const canTry = shown === "trouble" && connection.state === "reconnecting" && connection.retryAt !== undefined && connection.why !== "offline";
  return (
    <div className={`banner ${text ? (well ? "good" : "bad") : "none"}`} id="banner">
      <p role="status">{text}</p>
      {canTry && <button type="button" onClick={() => client.retryNow()}>{t.banner.tryNow}</button>}
      {text && connection.state === "closed" && <button type="button" onClick={again}>{t.banner.reconnect}</button>}
    </div>
  );
}

function good(shown: Shown, node: string | undefined): string {
  if (shown === "replaced") return t.banner.replaced;
  if (shown !== "back") return "";
  return node === undefined ? t.banner.back : t.banner.moved(node);
}

function trouble({ state, why }: ClientSnapshot, seconds: number | undefined): string {
  if (state === "closed") return why && why !== "closed" ? t.banner.removed(t.errors[why] ?? why) : t.banner.closed;
  if (state === "degraded") return t.banner.slow;
  if (why === "offline") return t.banner.offline;
  if (why === "draining") return t.banner.draining;
  return seconds === undefined ? t.banner.trying : t.banner.lost(seconds);
}

/** Whole seconds until then, at least 1; nothing while trying. */
function useCountdown(until: number | undefined): number | undefined {
  const left = () => (until === undefined ? undefined : Math.max(1, Math.ceil((until - Date.now()) / 1_000)));
  const [seconds, setSeconds] = useState(left);
  useEffect(() => {
    setSeconds(left());
    if (until === undefined) return;
    const timer = setInterval(() => setSeconds(left()), 500);
    return () => clearInterval(timer);
  }, [until]);
  return seconds;
}
