// Which node one is on: its death can be watched here.
import { useConnection } from "../client/react";
import { t } from "./strings";

export function NodeState() {
  const { state, node } = useConnection();
  const connected = (state === "ready" || state === "degraded") && node;
  return (
    <p id="state" className={`state ${connected ? state : "away"}`} title={connected ? t.state.node(node) : undefined}>
      <span className="dot" aria-hidden="true" />
      {connected ? <><span className="unseen">{t.state.connected} </span><bdi>{node}</bdi></> : state === "connecting" ? t.state.connecting : t.state.away}
    </p>
  );
}
