// The public surface: what the page and other users of @hubbub/client are written against.
import type { ManagerOptions, SocketOptions } from "socket.io-client";

import type { Identity, Me, Person, RefusalCode, Requests, RoomRemoved, ServerEvents, SessionReady } from "./types.generated.js";

export type * from "./types.generated.js";

/** A user as others see them. */
export type User = Person;

/** Why a request came to nothing: the server's stable codes, and some of our own. */
export type ErrorCode =
  | RefusalCode
  /** No ack in time; whether it happened is unknown. */
  | "timeout"
  /** There is no connection, or it went away before the ack. */
  | "disconnected"
  /** The client was closed. */
  | "closed"
  /** One was sent out of the room; its snapshot says why. */
  | "removed"
  /** Asked as the guest one was before the server forgot that guest. */
  | "session_replaced"
  /** `ClientOptions.token` threw, or gave no answer in 30 s; it is asked again with the next attempt. */
  | "token_failed";

/** A coded error as plain data, so that a snapshot and IndexedDB can hold it. */
export interface Failure {
  /** One of `ErrorCode`; newer servers may say others. */
  readonly code: ErrorCode | (string & {});
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  readonly field?: string;
  /** `none`: it did not happen; `unknown`: it may have. */
  readonly outcome?: "none" | "unknown";
}

export type ConnectionState = "connecting" | "ready" | "degraded" | "reconnecting" | "closed";

/** Stable words, never sentences. */
export type Why =
  /** The browser says there is no network. */
  | "offline"
  /** The connection broke, or none could be made. */
  | "lost"
  /** The server closed the connection. */
  | "server_closed"
  /** No token was to be had: `ClientOptions.token` threw, or gave no answer. */
  | "token_failed"
  /** Degraded: an answer is overdue. */
  | "slow"
  /** Degraded: the server answers, its store does not. */
  | "server"
  /** Ready, but as a new guest: the session kept here was not valid any more. */
  | "session_replaced"
  /** `close()` was called. */
  | "closed"
  /** The server's notice before it closed, or its refusal at the door. */
  | "draining"
  | "slow_consumer"
  | "too_large"
  | "refused"
  | "unauthorized"
  | "bad_request"
  | "reserved"
  | "banned"
  | "kicked"
  | "expired"
  | "revoked"
  | "limit_exceeded"
  | "unavailable"
  | "internal"
  | (string & {});

export interface ClientSnapshot {
  readonly state: ConnectionState;
  readonly why?: Why;
  /** `reconnecting`: how long the wait for the next attempt is, as of when it began; absent while trying. */
  readonly retryInMs?: number;
  /** `reconnecting`: when the next attempt is, in ms since 1970, for a countdown. */
  readonly retryAt?: number;
  /** Who one is; kept while reconnecting. */
  readonly me?: Readonly<Identity>;
  /** `ready`, by a token that ends: when, in ms since 1970 by this clock; `ending` once the server says that it is soon. */
  readonly token?: { readonly endsAt: number; readonly ending: boolean };
  /** The node that answers; absent while there is none. */
  readonly node?: string;
  readonly limits?: SessionReady["limits"];
}

export type RoomStatus = "offline" | "joining" | "live" | "repairing" | "denied" | "left";

export interface Message {
  readonly mid: string;
  /** Absent until the server has numbered it. */
  readonly seq?: number;
  /** Ms since 1970, by the store; absent until sent. */
  readonly ts?: number;
  readonly user: User;
  readonly text: string;
  readonly state: "sent" | "sending" | "failed";
  /** Why it failed, or why it is still being tried. */
  readonly error?: Failure;
}

export interface RoomSnapshot {
  readonly status: RoomStatus;
  /** One window of the log without gaps, then, if the window is at the end, what is not yet in the log. */
  readonly messages: readonly Message[];
  /** Everything not yet acknowledged, in order, wherever the window is. */
  readonly pending: readonly Message[];
  /** The number of the last message the room is known to have. */
  readonly head: number;
  /** The last number that was marked read. */
  readonly read: number;
  /** Messages of others after `read`. */
  readonly unread: number;
  /** Users in the room. */
  readonly count: number;
  /** Who is in the room, by name; only after `watchPeople()`. */
  readonly people?: readonly User[];
  /** Others who are typing, at most five... */
  readonly typing: readonly User[];
  /** ...and how many more. */
  readonly typingMore: number;
  readonly hasBefore: boolean;
  /** The window is not at the end: `after()` or `latest()`. */
  readonly hasAfter: boolean;
  /** Part of what was missed is not in `messages`: the window was replaced by the newest page. */
  readonly truncated?: boolean;
  /** The log is not the one from before; the window was replaced. */
  readonly resetReason?: "epoch_changed" | "diverged" | "rolled_back";
  /** Why `denied`, or what the last attempt ran into. */
  readonly error?: Failure;
  /** What one is in the room and whether one may speak there, as the server said it last; absent before one was in. */
  readonly me?: Me;
  /** How one was sent out, until one is in again: `kick`, `ban`, or `uninvite`: it is not one's room any more. */
  readonly removed?: RoomRemoved["reason"];
}

export interface Room {
  readonly name: string;
  snapshot(): RoomSnapshot;
  subscribe(changed: () => void): () => void;
  /** Counted: the room is left when every `join` has been undone and nothing waits to be sent. */
  join(): () => void;
  /** Shows the message at once, sends it as soon as possible, and gives its `mid`. Never throws. */
  send(text: string): string;
  /** Tries a failed message again; gives its `mid`, which is a new one where the old one is spent. */
  retry(mid: string): string;
  /** Takes an unsent message out, and gives its text. */
  discard(mid: string): string | undefined;
  /** Pages back from the window; settles when the page is in, or with a `HubbubError`. */
  before(limit?: number): Promise<void>;
  /** Pages on from a window that is not at the end. */
  after(limit?: number): Promise<void>;
  /** Replaces the window by the newest page. */
  latest(): Promise<void>;
  /** Replaces the window by the surroundings of a number. */
  around(seq: number): Promise<void>;
  /** Say it on every keystroke; it is throttled here. */
  typing(): void;
  stopTyping(): void;
  /** All that is known so far has been seen. */
  markRead(): void;
  /** Loads who is in the room, once, and keeps `people` up to date from then on. */
  watchPeople(): void;
}

/** What `on` can listen to: every server event, and two of our own. */
export interface ClientEvents extends ServerEvents {
  state: ClientSnapshot;
  error: Failure;
}

export interface RoomsPage {
  readonly rooms: readonly { readonly room: string; readonly head: number }[];
  /** With the first page: private rooms one has a role in. */
  readonly mine?: readonly { readonly room: string; readonly head: number; readonly role: string; readonly announce: boolean }[] | null;
  /** Ask again with it; absent: that was all. */
  readonly cursor?: string | null;
}

export interface Client {
  snapshot(): ClientSnapshot;
  subscribe(changed: () => void): () => void;
  on<E extends keyof ClientEvents>(event: E, heard: (payload: ClientEvents[E]) => void): () => void;
  /** Asks once and never retries; throws a `HubbubError`. */
  request<E extends keyof Requests>(event: E, payload: Requests[E][0]): Promise<Requests[E][1]>;
  /** Connects now instead of waiting out `retryInMs`. */
  retryNow(): void;
  rename(name: string): Promise<void>;
  /**
   * Goes on under another token of the same user, on this connection and, unless a function gives others, the next ones.
   * Throws a `HubbubError`: `unauthorized` where it is not valid, `forbidden` where it is somebody else's or guests have none.
   */
  refresh(token: string): Promise<void>;
  /** Public rooms somebody has written in, a page at a time. */
  rooms(cursor?: string, limit?: number): Promise<RoomsPage>;
  /** The one object of this name. */
  room(name: string): Room;
  close(): void;
}

/** The part of Web Storage that is needed. */
export interface SessionStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** A message on its way, as it is kept. */
export interface OutboxEntry {
  mid: string;
  room: string;
  text: string;
  /** When it was written, ms since 1970; the order within a room. */
  at: number;
  /** The user it was first sent as; absent: it was never sent. A `mid` is only known again from the same user. */
  by?: string;
  state: "sending" | "failed";
  error?: Failure;
}

/** Where unsent messages are kept. Failures to keep are no failures to send: it may resolve regardless. */
export interface OutboxStore {
  put(entry: OutboxEntry): Promise<void>;
  delete(mid: string): Promise<void>;
  /** What an earlier owner left behind; nobody else gets the same entries as long as this one lives. */
  adopt(): Promise<OutboxEntry[]>;
  close(): void;
}

export interface ClientOptions {
  /** The name of a guest, or of who has a token that names nobody; without it the server gives one. */
  name?: string;
  /**
   * A token of `auth.mode = "jwt"`, or the secret that makes a guest an admin; it is kept nowhere. A function is asked with
   * each attempt, and when a token is about to end, and answers within 30 s (`undefined`: there is none). While it fails
   * (`token_failed`) it is asked again later. A string, or the same answer twice, runs out: then `closed`, `expired`.
   */
  token?: string | (() => string | undefined | Promise<string | undefined>);
  /** A session from before; wins over the stored one. */
  session?: string;
  /** Where the guest's session is kept; `localStorage` where there is one; `null`: nowhere. */
  storage?: SessionStorage | null;
  /** Where unsent messages are kept: `indexedDbOutbox()` from `@hubbub/client/outbox`, or else memory. */
  outbox?: OutboxStore;
  ackTimeoutMs?: number;
  /** Messages per page, 1 to 200. */
  pageSize?: number;
  /** How many messages of a room stay in memory. */
  keep?: number;
  /** More options of socket.io-client; `auth` and the ones of reconnection are ours. */
  socket?: Partial<ManagerOptions & SocketOptions>;
}
