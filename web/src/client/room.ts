// A room as a live object: what is shown of it, what one does in it, and what is told of it.
import { ECHO_MS, RESTORED_MS } from "./bounds.js";
import type { Connection } from "./connection.js";
import { between, type Env } from "./env.js";
import { follow } from "./follow.js";
import { Log, shown } from "./log.js";
import { openOutbox } from "./outbox.js";
import { type Ask, pagesOf, since } from "./pages.js";
import { peopleIn } from "./people.js";
import { subject } from "./subject.js";
import type { Me, MessageNew, OutboxEntry, OutboxStore, PresenceChanged, Room, RoomHead, RoomMe, RoomRemoved, RoomReset, RoomSnapshot, ServerEvents, Typing } from "./types.js";
import { typingIn } from "./typing.js";

export interface LiveRoom extends Room {
  /** Takes over what an earlier page left unsent. */
  adopt(entry: OutboxEntry): void;
  connected(): void;
  lost(): void;
  /** The store answers again. */
  restored(): void;
  /** An event of this room. */
  heard(event: keyof ServerEvents, payload: unknown): void;
}

export function openRoom(name: string, connection: Connection, env: Env, sizes: { page: number; keep: number }, store?: OutboxStore): LiveRoom {
  let members = 0;
  let count = 0;
  /** The last number that was marked read, and how many of the others' came since. */
  let read = 0;
  let unread = 0;
  let me: Me | undefined;
  let removed: RoomRemoved["reason"] | undefined;
  const ask: Ask = (range) => connection.ask("message:history", { room: name, ...range });

  // === What is shown

  const { snapshot, subscribe, changed } = subject<RoomSnapshot>((last) => {
    const pending = outbox.rows();
    const { window, head, upto, hasBefore, hasAfter, truncated, resetReason } = log;
    const ends = hasAfter ? [] : [...log.ahead.filter(({ seq }) => seq! > upto), ...pending];
    return {
      status: follower.status(),
      messages: kept(last?.messages, ends.length > 0 ? [...window, ...ends] : window),
      pending,
      head,
      read,
      unread,
      count,
      people: people.list(),
      ...typing.others(),
      hasBefore,
      hasAfter,
      truncated,
      resetReason,
      error: follower.error(),
      me,
      removed,
    };
  });

  const people = peopleIn(name, connection, changed);
  const typing = typingIn(name, connection, env);
  const log = new Log(sizes.keep, (entry) => {
    outbox.discard(entry.mid);
    if (entry.seq > read && entry.user.id !== connection.me()?.id) unread++;
  });
  const outbox = openOutbox(name, store, env, {
    me: connection.me,
    now: connection.now,
    send: ({ mid, text }) => connection.ask("message:send", { room: name, mid, text }),
    sent(message, epoch) {
      log.sent(message);
      follower.judged(log.sees(epoch, message.seq!, message.mid), ECHO_MS);
    },
    find: (time) => since(time, ask),
    rejoin() {
      follower.forget();
      follower.work();
    },
    changed: moved,
  });
  const follower = follow(name, connection, env, sizes.page, log, ask, {
    changed: moved,
    joined(page, again) {
      ({ count, me } = page);
      removed = undefined;
      if (!again) seen();
      void people.load();
    },
    replaced(reason) {
      // Nobody has counted what lies between.
      read = reason === "epoch_changed" ? 0 : Math.min(read, log.upto);
      unread = log.upto - read;
    },
    live: outbox.open,
    left() {
      typing.heard();
      typing.over();
      outbox.shut();
    },
    refused: outbox.refuse,
  });
  const pages = pagesOf(log, sizes.page, ask, ({ messages }, apply) => {
    if (!apply) follower.anew("epoch_changed");
    else if (follower.settled()) apply();
    met(messages);
    follower.judged(log.behind ? "held" : "known");
  });

  function seen(): void {
    read = log.upto;
    unread = 0;
  }

  /** What is in the log needs not be sent. */
  function met(messages: readonly { mid: string }[]): void {
    messages.forEach(({ mid }) => outbox.discard(mid));
  }

  /** Whether one wants to be in the room: somebody looks at it, or something is to be sent. */
  function want(): void {
    follower.want(members > 0 || (outbox.busy() && !follower.denied()));
  }

  /** Something to send may have come or gone, and with it the wish to be here. */
  function moved(): void {
    changed();
    if (follower.wanted() && members === 0 && !outbox.busy()) env.after(0, want);
  }

  return {
    name,
    snapshot,
    subscribe,

    // === What one does

    join() {
      members++;
      follower.allow();
      want();
      let left = false;
      return () => {
        if (left) return;
        left = true;
        members--;
        // A page that renders twice leaves and joins in one go: that is no leaving.
        env.after(0, want);
      };
    },
    send(text) {
      typing.over();
      const mid = outbox.add(text);
      want();
      return mid;
    },
    retry(mid) {
      const again = outbox.retry(mid);
      want();
      return again;
    },
    discard: outbox.discard,
    adopt(entry) {
      outbox.adopt(entry);
      met(log.window);
      want();
    },
    ...pages,
    typing() {
      if (follower.joined()) typing.start();
    },
    stopTyping: typing.stop,
    markRead() {
      if (read === log.upto && unread === 0) return;
      seen();
      changed();
    },
    watchPeople() {
      if (people.watch() && follower.joined()) void people.load();
    },

    // === What the connection tells

    connected() {
      follower.allow();
      changed();
      follower.work();
    },
    lost: follower.forget,
    restored() {
      env.after(between(env, 0, RESTORED_MS), () => {
        follower.hurry();
        outbox.hurry();
      });
    },
    heard(event, payload) {
      const settled = follower.settled();
      if (event === "message:new" && follower.wanted()) {
        const entry = payload as MessageNew;
        if (outbox.discard(entry.mid) !== undefined) log.sent(shown(entry));
        // Between asking for a page and the answer nothing can be judged.
        if (settled) follower.judged(log.take(entry));
        else log.hold(entry);
      }
      if (event === "room:head" && settled) {
        const { epoch, seq, mid } = payload as RoomHead;
        follower.judged(log.sees(epoch, seq, mid));
      }
      if (event === "room:reset" && follower.joined()) follower.anew((payload as RoomReset).reason);
      if (event === "room:removed") {
        removed = (payload as RoomRemoved).reason;
        follower.removed({ code: "removed", message: "one was sent out of this room", retryable: false });
      }
      if (event === "room:invited") {
        follower.allow();
        follower.work();
      }
      if (event === "room:me") me &&= { ...me, ...(payload as RoomMe) };
      if (event === "presence:changed") {
        count = (payload as PresenceChanged).count;
        people.told(payload as PresenceChanged);
      }
      if (event === "typing") typing.heard(payload as Typing);
      moved();
    },
  };
}

/** The list from before, if it says the same: whoever compares by identity need not render. */
function kept<T>(before: readonly T[] | undefined, now: readonly T[]): readonly T[] {
  return before && before.length === now.length && before.every((one, i) => one === now[i]) ? before : now;
}
