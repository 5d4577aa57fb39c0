// One message: an article with whoever wrote it, when, the text, and what can be done if it was not sent.
import { memo } from "react";

import { sayError, t } from "./strings";
import { linkify } from "./text";
import { sayClock, sayDay, sayWhole } from "./time";
import { Avatar } from "./Avatar";
import { Warn } from "./icons";
import type { Row } from "./rows";

export interface RowActions {
  retry(mid: string): void;
  edit(mid: string): void;
  remove(mid: string): void;
}

interface Props extends RowActions {
  row: Row;
  /** Counted from 1, for screen readers. */
  position: number;
  focused: boolean;
}

export const MessageRow = memo(function MessageRow({ row, position, focused, retry, edit, remove }: Props) {
  const { message, leads, gap, day, isNew } = row;
  const who = message.user.name || t.timeline.guest;
  const when = message.ts === undefined ? "" : sayClock(message.ts);
  return (
    <>
      {gap && <Divider text={t.timeline.gap} />}
      {day !== undefined && <Divider text={sayDay(day)} />}
      {isNew && <Divider text={t.timeline.newMessages} fresh />}
      <article
        className={`message ${message.state} ${message.state === "sending" ? "waiting" : ""} ${leads ? "leads" : ""}`}
        data-mid={message.mid}
        data-seq={message.seq}
        tabIndex={-1}
        data-focused={focused || undefined}
        aria-posinset={position}
        aria-setsize={-1}
        aria-label={[gap && t.timeline.gap, isNew && t.timeline.newMessages, day !== undefined && sayDay(day), t.timeline.row(who, when)].filter(Boolean).join(", ")}
      >
        {leads && <Avatar user={message.user} />}
        {leads && (
          <p className="byline">
            <bdi className="who">{who}</bdi>
            <Clock ts={message.ts} />
          </p>
        )}
        {!leads && <Clock ts={message.ts} />}
        <div className="text" dir="auto">{linkify(message.text)}</div>
        {message.state === "sending" && <span className="unseen">{t.timeline.sending}</span>}
        {message.state === "failed" && (
          <div className="failure">
            <p><Warn />{t.timeline.failed(message.error ? sayError(message.error) : "")}</p>
            <button type="button" onClick={() => retry(message.mid)}>{t.timeline.retry}</button>
            <button type="button" onClick={() => edit(message.mid)}>{t.timeline.edit}</button>
            <button type="button" onClick={() => remove(message.mid)}>{t.timeline.remove}</button>
          </div>
        )}
      </article>
    </>
  );
}, same);

/** Rows are made anew with every message; one whose parts are the same needs no rendering. */
function same(a: Props, b: Props) {
  return (
    a.row.message === b.row.message && a.row.leads === b.row.leads && a.row.gap === b.row.gap && a.row.day === b.row.day && a.row.isNew === b.row.isNew &&
    a.position === b.position && a.focused === b.focused && a.retry === b.retry && a.edit === b.edit && a.remove === b.remove
  );
}

function Clock({ ts }: { ts: number | undefined }) {
  if (ts === undefined) return null;
  return <time dateTime={new Date(ts).toISOString()} title={sayWhole(ts)}>{sayClock(ts)}</time>;
}

/** Not a `separator`: a feed may hold nothing but articles, and this stands inside one's row. */
function Divider({ text, fresh = false }: { text: string; fresh?: boolean }) {
  return <div className={fresh ? "divider fresh" : "divider"} aria-hidden="true"><span>{text}</span></div>;
}
