// The open room's messages: pages on demand at both ends, and keeps the row one reads where it is.
import { defaultRangeExtractor, useVirtualizer } from "@tanstack/react-virtual";
import type { VirtualItem, Virtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import type { KeyboardEvent, ReactNode } from "react";

import type { Room, RoomSnapshot } from "../client/index";
import { kindOf } from "./kinds";
import { MessageRow } from "./MessageRow";
import type { RowActions } from "./MessageRow";
import { toRows, unreadOf } from "./rows";
import type { Row } from "./rows";
import { places, put, reads, settings } from "./state";
import type { Place } from "./state";
import { useKept } from "./kept";
import { t } from "./strings";
import { JumpToLatest, Notice } from "./TimelineParts";
import { useReading } from "./useReading";

/** How many messages one page back or on brings, and how many viewports early it is asked for. */
const PAGE = 100;
const EARLY = 2;
/** This near to the end counts as being there, and is followed. */
const AT_END_PX = 48;
/** How many rows the plain list keeps. */
const PLAIN_ROWS = 600;

interface Props extends RowActions {
  room: Room;
  /** What the room is called. */
  label: string;
  snap: RoomSnapshot;
  me: string | undefined;
  toComposer(): void;
  /** Counts up when somebody sends, or asks to see the end. */
  endWanted: number;
  toEnd(): void;
}

export function Timeline(props: Props) {
  const { plain } = useKept(settings);
  const { room, snap, me } = props;
  const [atEnd, setAtEnd] = useState(() => !places.get()[room.name]);
  const newSince = useReading(room, snap, atEnd, me);
  const rows = useMemo(() => toRows(snap, newSince, me), [snap.messages, snap.hasBefore, snap.truncated, newSince, me]);
  const List = plain ? PlainList : VirtualList;
  return <List {...props} rows={rows} atEnd={atEnd} setAtEnd={setAtEnd} newSince={newSince} />;
}

interface ListProps extends Props {
  rows: Row[];
  atEnd: boolean;
  setAtEnd(is: boolean): void;
  newSince: number | undefined;
}

/** How a list moves; each of the two has its own ways. */
interface Moves {
  /** Scrolls as little as shows the row. */
  reveal(index: number): void;
  /** Puts the row somewhere at the top; `to` then corrects it by what is measured. */
  bring(index: number): void;
  to(px: number): void;
  toEnd(): void;
}

/** What both lists do alike: paging, the place, the keyboard. */
function useList({ room, snap, rows, atEnd, setAtEnd, newSince, endWanted, toComposer }: ListProps, moves: Moves) {
  const scroller = useRef<HTMLDivElement>(null);
  const [focused, setFocused] = useState<string>();
  const [loading, setLoading] = useState<"before" | "after" | "jump">();
  const [broken, setBroken] = useState(false);
  const placed = useRef(false);
  const busy = useRef(false);
  // How often a page was asked for to find one's place; it is tried again when one came, or failed to.
  const asked = useRef(0);
  const [answered, setAnswered] = useState(0);

  const load = useCallback((what: "before" | "after" | "jump", work: () => Promise<void>) => {
    if (busy.current) return Promise.resolve();
    busy.current = true;
    setLoading(what);
    return work().then(() => setBroken(false), () => setBroken(true)).finally(() => {
      busy.current = false;
      setLoading(undefined);
    });
  }, []);

  /** Asks for what lies beyond the window before one gets there. */
  const pageIfNear = useCallback(() => {
    const box = scroller.current;
    const now = room.snapshot();
    if (!box || !placed.current || now.messages.length === 0 || now.status === "offline") return;
    if (now.hasBefore && box.scrollTop < EARLY * box.clientHeight) void load("before", () => room.before(PAGE));
    else if (now.hasAfter && box.scrollHeight - box.scrollTop - box.clientHeight < EARLY * box.clientHeight) void load("after", () => room.after(PAGE));
  }, [room, load]);

  /** Where one is, said by the first row that is wholly visible: what stands above it may change. */
  const remember = useCallback(() => {
    const box = scroller.current;
    // A list that is taken out of the page has no height, and stands nowhere.
    if (!box?.clientHeight || !placed.current) return;
    const end = box.scrollHeight - box.scrollTop - box.clientHeight <= AT_END_PX && !room.snapshot().hasAfter;
    setAtEnd(end);
    put(places, room.name, end ? undefined : placeIn(box));
  }, [room, setAtEnd]);

  // The first time there is something: to the place one left, or to what is new, or to the end.
  useLayoutEffect(() => {
    if (placed.current || rows.length === 0) return;
    const place = places.get()[room.name];
    const first = rows.findIndex(({ isNew }) => isNew);
    const at = place ? rows.findIndex(({ message }) => message.mid === place.mid) : first;
    // Not in this page, or so near to its end that it cannot stand where it stood: ask, and come here again.
    const far = place ? at < 0 : newSince !== undefined && snap.messages[0]!.seq! > newSince + 1 && snap.hasBefore;
    const short = at >= 0 && snap.hasAfter && rows.length - at < PAGE;
    if ((far || short) && asked.current < 3) {
      if (busy.current) return;
      asked.current++;
      const work = far ? () => room.around(place?.seq ?? newSince! + 1) : () => room.after(PAGE);
      void load("jump", work).then(() => setAnswered(asked.current));
      return;
    }
    if (at < 0) moves.toEnd();
    else moves.bring(at);
    return settle(() => {
      const box = scroller.current;
      const row = at >= 0 && box?.querySelector(`[data-mid="${CSS.escape(rows[at]!.message.mid)}"]`);
      if (!box) return;
      const off = row ? top(row, box) - (place?.offset ?? 64) : 0;
      if (at < 0) moves.toEnd();
      // Not there yet: the list does not move before it is mounted.
      else if (!row) moves.bring(at);
      else if (Math.abs(off) >= 1) moves.to(box.scrollTop + off);
    }, () => {
      placed.current = true;
      remember();
      pageIfNear();
    });
  }, [rows, answered]);

  // One's own message, or the button: whatever stands in between, the end is wanted now.
  const wanted = useRef(endWanted);
  useLayoutEffect(() => {
    if (wanted.current === endWanted) return;
    wanted.current = endWanted;
    placed.current = true;
    if (!room.snapshot().hasAfter) return moves.toEnd();
    void load("jump", () => room.latest()).then(() => requestAnimationFrame(moves.toEnd));
  }, [endWanted]);

  useEffect(() => pageIfNear(), [rows, snap.status, loading, pageIfNear]);

  // A growing draft or a turned phone changes the height of the list: whoever was at the end stays there.
  const following = useRef(true);
  // Before this render's value is taken: what is paged in below is no news. Rows also come before an unsent one,
  // which the virtual list does not count as appended.
  const before = following.current;
  following.current = atEnd && !snap.hasAfter;
  useLayoutEffect(() => {
    if (placed.current && before && following.current) moves.toEnd();
  }, [rows]);
  useEffect(() => {
    const box = scroller.current;
    if (!box) return;
    const sizes = new ResizeObserver(() => placed.current && following.current && moves.toEnd());
    sizes.observe(box);
    return () => sizes.disconnect();
  }, []);

  const scrollTimer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const onScroll = () => {
    const box = scroller.current;
    if (!box || !placed.current) return;
    setAtEnd(box.scrollHeight - box.scrollTop - box.clientHeight <= AT_END_PX && !snap.hasAfter);
    pageIfNear();
    clearTimeout(scrollTimer.current);
    scrollTimer.current = setTimeout(remember, 120);
  };
  useEffect(() => {
    addEventListener("pagehide", remember);
    return () => removeEventListener("pagehide", remember);
  }, [remember]);
  // Before the rows are gone: another room may be opened sooner than the timer rings.
  useLayoutEffect(
    () => () => {
      clearTimeout(scrollTimer.current);
      remember();
    },
    [remember],
  );

  // The focused row is brought into view, then focused: it may not have been in the page before.
  useEffect(() => {
    if (focused === undefined) return;
    const frame = requestAnimationFrame(() => rowOf(scroller.current, focused)?.focus({ preventScroll: true }));
    return () => cancelAnimationFrame(frame);
  }, [focused]);

  const focusRow = (index: number) => {
    const row = rows[Math.max(0, Math.min(rows.length - 1, index))];
    if (!row) return;
    moves.reveal(rows.indexOf(row));
    if (row.message.mid === focused) rowOf(scroller.current, focused)?.focus({ preventScroll: true });
    setFocused(row.message.mid);
  };

  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const inside = event.target instanceof Element && event.target.closest("article");
    const mid = inside instanceof HTMLElement ? inside.dataset["mid"] : undefined;
    const at = mid === undefined ? -1 : rows.findIndex(({ message }) => message.mid === mid);
    const keys: Record<string, () => void> = {
      ArrowUp: () => focusRow(at < 0 ? lastVisible(scroller.current, rows) : at - 1),
      ArrowDown: () => focusRow(at < 0 ? lastVisible(scroller.current, rows) : at + 1),
      Home: () => focusRow(0),
      End: () => focusRow(rows.length - 1),
      Escape: toComposer,
    };
    if (event.key === "Enter" && inside === event.target && inside instanceof HTMLElement) {
      inside.querySelector<HTMLElement>("a, button")?.focus();
      return;
    }
    const move = keys[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  };

  return { scroller, focused, setFocused, loading, broken, onScroll, onKeyDown, placed };
}

function VirtualList(props: ListProps) {
  const { room, snap, rows } = props;
  const list = useList(props, {
    reveal: (index) => virtual.scrollToIndex(index, { align: "auto" }),
    bring: (index) => virtual.scrollToOffset(virtual.getOffsetForIndex(index, "start")?.[0] ?? 0),
    to: (px) => virtual.scrollToOffset(px),
    toEnd: () => virtual.scrollToEnd(),
  });
  // What is paged in below is no news to follow; only what comes while the window is at the end.
  const wasAtHead = useRef(!snap.hasAfter);
  const follow = wasAtHead.current && !snap.hasAfter && list.placed.current;
  useLayoutEffect(() => {
    wasAtHead.current = !snap.hasAfter;
  });
  // A movement the browser has made and not yet told of would be undone by the anchoring of a page that comes now.
  const known = useRef<Virtualizer<HTMLDivElement, Element>>(undefined);
  const box = list.scroller.current;
  if (box && known.current && list.placed.current && Math.abs((known.current.scrollOffset ?? 0) - box.scrollTop) > 1) known.current.scrollOffset = box.scrollTop;
  const focusedAt = list.focused === undefined ? -1 : rows.findIndex(({ message }) => message.mid === list.focused);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => list.scroller.current,
    getItemKey: useCallback((index: number) => rows[index]!.message.mid, [rows]),
    estimateSize: (index) => guess(rows[index]!),
    // By key, so that what changes anywhere above leaves the row one reads in its place.
    anchorTo: "end",
    followOnAppend: follow,
    scrollEndThreshold: AT_END_PX,
    overscan: 8,
    paddingStart: 72,
    paddingEnd: 8,
    // A focused row stays in the page, or the focus would be lost by scrolling.
    rangeExtractor: (range) => {
      const shown = defaultRangeExtractor(range);
      if (focusedAt < 0 || shown.includes(focusedAt)) return shown;
      return [...shown, focusedAt].sort((a, b) => a - b);
    },
  });

  known.current = virtual;
  virtual.shouldAdjustScrollPositionOnItemSizeChange = keepsPlace;

  return (
    <Frame {...props} list={list}>
      <div id="messages" className="rows" style={{ blockSize: virtual.getTotalSize() }} role="presentation">
        {!snap.hasBefore && rows.length > 0 && <Beginning room={room.name} label={props.label} first={rows[0]!} />}
        {virtual.getVirtualItems().map(({ index, key, start }) => (
          <div key={key} ref={virtual.measureElement} data-index={index} className="slot" role="presentation" style={{ transform: `translateY(${start}px)` }}>
            <MessageRow row={rows[index]!} position={index + 1} focused={index === focusedAt} retry={props.retry} edit={props.edit} remove={props.remove} />
          </div>
        ))}
      </div>
    </Frame>
  );
}

function PlainList(props: ListProps) {
  const { room, snap, atEnd } = props;
  const all = props.rows;
  // At most so many rows are in the page; which ones is said by the first of them, so that it survives pages.
  const [first, setFirst] = useState<string>();
  const newest = Math.max(0, all.length - PLAIN_ROWS);
  const at = first === undefined || atEnd ? newest : all.findIndex(({ message }) => message.mid === first);
  const start = at < 0 ? newest : Math.min(at, newest);
  const rows = useMemo(() => all.slice(start, start + PLAIN_ROWS), [all, start]);
  const isWhole = { ...snap, hasBefore: snap.hasBefore && start === 0, hasAfter: snap.hasAfter && start === newest };
  const box = () => list.scroller.current;
  const list = useList({ ...props, rows, snap: isWhole }, {
    reveal: (index) => rowOf(box(), rows[index]!.message.mid)?.scrollIntoView({ block: "nearest" }),
    bring: (index) => rowOf(box(), rows[index]!.message.mid)?.scrollIntoView({ block: "start" }),
    to: (px) => box()?.scrollTo({ top: px }),
    toEnd: () => {
      setFirst(undefined);
      box()?.scrollTo({ top: box()!.scrollHeight });
    },
  });
  // One keeper of the place: ours, by key; the browser's own is switched off.
  const anchor = useRef<Place>(undefined);
  useLayoutEffect(() => {
    const scroller = box();
    if (!scroller || !list.placed.current) return;
    const row = anchor.current && rowOf(scroller, anchor.current.mid);
    if (atEnd && !snap.hasAfter) scroller.scrollTop = scroller.scrollHeight;
    else if (row) scroller.scrollTop += top(row, scroller) - anchor.current!.offset;
  }, [rows]);
  const onScroll = () => {
    const scroller = box();
    if (!scroller) return;
    anchor.current = placeIn(scroller);
    const above = scroller.scrollTop;
    const below = scroller.scrollHeight - above - scroller.clientHeight;
    if (above < EARLY * scroller.clientHeight && start > 0) setFirst(all[Math.max(0, start - PAGE)]!.message.mid);
    else if (below < EARLY * scroller.clientHeight && start < newest) setFirst(all[Math.min(newest, start + PAGE)]!.message.mid);
    else list.onScroll();
  };
  return (
    <Frame {...props} list={{ ...list, onScroll }}>
      <div id="messages" className="rows plain" role="presentation">
        {!isWhole.hasBefore && start === 0 && rows.length > 0 && <Beginning room={room.name} label={props.label} first={rows[0]!} />}
        {rows.map((row, index) => (
          <div key={row.message.mid} className="slot" role="presentation">
            <MessageRow row={row} position={start + index + 1} focused={row.message.mid === list.focused} retry={props.retry} edit={props.edit} remove={props.remove} />
          </div>
        ))}
      </div>
    </Frame>
  );
}

/** What surrounds the rows of either list. */
function Frame({ room, label, snap, me, atEnd, toEnd, list, children }: ListProps & { list: ReturnType<typeof useList>; children: ReactNode }) {
  const unread = unreadOf(snap, reads.get()[room.name], me);
  return (
    <div className="timeline">
      <div
        ref={list.scroller}
        className="scroller"
        // A feed has articles; while there are none, it is but a place that scrolls.
        role={snap.messages.length > 0 ? "feed" : "group"}
        aria-label={(kindOf(room.name) === "direct" ? t.direct.timeline : t.timeline.label)(label)}
        aria-busy={list.loading !== undefined}
        tabIndex={0}
        data-region="messages"
        onScroll={list.onScroll}
        onKeyDown={list.onKeyDown}
        // A row that leaves the page loses the focus to nobody: then the next one is on its way.
        onBlur={(event) => event.relatedTarget && !event.currentTarget.contains(event.relatedTarget) && list.setFocused(undefined)}
        onFocus={(event) => {
          const mid = event.target instanceof Element ? event.target.closest<HTMLElement>("article")?.dataset["mid"] : undefined;
          if (mid !== undefined) list.setFocused(mid);
        }}
      >
        {children}
      </div>
      <Notice snap={snap} loading={list.loading} broken={list.broken} />
      {(!atEnd || snap.hasAfter) && <JumpToLatest unread={unread} jump={toEnd} />}
    </div>
  );
}

/** A log whose first number is not 1 has let go of what was before. */
function Beginning({ room, label, first }: { room: string; label: string; first: Row }) {
  const text = (first.message.seq ?? 1) > 1 ? t.timeline.kept : (kindOf(room) === "direct" ? t.direct.beginning : t.timeline.beginning)(label);
  return <p className="beginning" role="presentation"><strong>{text}</strong></p>;
}

/**
 * Whether a row that turns out higher or lower than thought is made up for. Whoever reads upwards looks at what comes
 * last: all that is measured on the way is above it. Else it is what begins above the upper edge, and what comes in above
 * a row that is in sight already: a page for which one waited at the top.
 */
function keepsPlace(item: VirtualItem, _by: number, list: Virtualizer<HTMLDivElement, Element>): boolean {
  const top = list.scrollOffset ?? 0;
  const bottom = top + (list.scrollRect?.height ?? 0);
  if (list.scrollDirection === "backward") return item.start < bottom;
  if (item.end <= top || list.itemSizeCache.has(item.key)) return item.end <= top;
  const isSeen = ({ index, key, start }: VirtualItem) => index > item.index && start < bottom && list.itemSizeCache.has(key);
  return item.start < top || list.getVirtualItems().some(isSeen);
}

// === Measures

function top(row: Element, box: Element): number {
  return row.getBoundingClientRect().top - box.getBoundingClientRect().top;
}

function rowOf(box: Element | null, mid: string) {
  return box?.querySelector<HTMLElement>(`article[data-mid="${CSS.escape(mid)}"]`);
}

/** The first row of the log that is wholly visible, or else the last one there is. */
function placeIn(box: HTMLElement): Place | undefined {
  let found: HTMLElement | undefined;
  for (const row of box.querySelectorAll<HTMLElement>("article[data-seq]")) {
    found = row;
    if (top(row, box) >= 0) break;
  }
  return found && { mid: found.dataset["mid"]!, seq: Number(found.dataset["seq"]), offset: top(found, box) };
}

/** Where the arrows begin: at the last row one sees. */
function lastVisible(box: HTMLElement | null, rows: Row[]): number {
  let found = rows.length - 1;
  if (!box) return found;
  for (const row of box.querySelectorAll<HTMLElement>("article")) {
    if (top(row, box) + row.offsetHeight > box.clientHeight + 1) break;
    found = rows.findIndex(({ message }) => message.mid === row.dataset["mid"]);
  }
  return found;
}

/** The height of a row nobody has measured yet: near enough that a scrollbar does not leap. */
function guess({ message, leads, gap, day, isNew }: Row): number {
  const lines = Math.max(1, Math.ceil(message.text.length / 90));
  return lines * 22 + (leads ? 36 : 4) + (gap ? 44 : 0) + (day === undefined ? 0 : 44) + (isNew ? 44 : 0);
}

/** Repeats a correction for some frames, because rows are measured as they come; then is done. */
function settle(correct: () => void, done: () => void): () => void {
  let frames = 0;
  let frame = requestAnimationFrame(function again() {
    correct();
    if (++frames < 6) frame = requestAnimationFrame(again);
    else done();
  });
  return () => cancelAnimationFrame(frame);
}
