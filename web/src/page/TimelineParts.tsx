// What floats over the messages without moving them: the way back to the end, and what is being loaded.
import type { RoomSnapshot } from "../client/index";
import { Down } from "./icons";
import { t } from "./strings";

export function JumpToLatest({ unread, jump }: { unread: number; jump(): void }) {
  return (
    <button type="button" className="jump" onClick={jump}>
      <Down />
      {unread > 0 ? <><span>{t.timeline.jumpNew(unread)}</span><span className="unseen">, {t.timeline.jump}</span></> : t.timeline.jump}
    </button>
  );
}

/** One line over the top of the list; it lies above the rows, so that it comes and goes without a jump. */
export function Notice({ snap, loading, broken }: { snap: RoomSnapshot; loading: "before" | "after" | "jump" | undefined; broken: boolean }) {
  if (snap.messages.length === 0) {
    const knows = snap.status === "live";
    return <p className="blank">{knows && snap.head === 0 ? t.timeline.empty : t.timeline.loading}</p>;
  }
  const text = broken ? t.timeline.loadFailed : loading === "before" ? t.timeline.loadingOlder : loading ? t.timeline.loading : snap.resetReason ? t.timeline.reset : snap.truncated ? (snap.hasBefore ? t.timeline.truncated : t.timeline.truncatedHere) : "";
  return <p className={text ? "notice" : "notice none"} aria-live="polite">{text}</p>;
}
