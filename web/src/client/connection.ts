// One connection after the other over a stock socket: who one is, how the connection stands, and asking.
import type { ManagerOptions, SocketOptions } from "socket.io-client";

import { SLOW_MS } from "./bounds.js";
import { backoff, between, type Env } from "./env.js";
import { HubbubError, ours, plain, refusal } from "./errors.js";
import { type Subject, subject } from "./subject.js";
import { askFor } from "./token.js";
import type { ClientOptions, ClientSnapshot, ErrorNotice, Failure, Identity, Requests, ServerEvents, SystemNotice, Why } from "./types.js";

type State = Exclude<ClientSnapshot["state"], "degraded">;
type Ack = { ok: true } | { ok: false; error: ErrorNotice };
type Answered = (late: Error | null, ack: Ack) => void;

/** The part of a stock socket that is used. */
export interface SocketLike {
  active: boolean;
  connect(): unknown;
  disconnect(): unknown;
  on(event: string, heard: (payload: never) => void): unknown;
  onAny(heard: (event: string, payload: unknown) => void): unknown;
  emit(event: string, payload: unknown): unknown;
  timeout(ms: number): { emit(event: string, payload: unknown, answered: Answered): unknown };
}
export type Opener = (uri: string, options: Partial<ManagerOptions & SocketOptions>) => SocketLike;

/** What hears of a connection. */
export interface Listener {
  ready(): void;
  lost(): void;
  /** The store answers again. */
  restored(): void;
  heard<E extends keyof ServerEvents>(event: E, payload: ServerEvents[E]): void;
  /** A refusal nobody waited for. */
  failed(failure: Failure): void;
}

export interface Connection extends Omit<Subject<ClientSnapshot>, "changed"> {
  ready(): boolean;
  me(): ClientSnapshot["me"];
  /** What time it is on the server, as far as one knows: clocks may be wrong by hours. */
  now(): number;
  /** Asks once; every answer but a yes is thrown. */
  ask<E extends keyof Requests>(event: E, payload: Requests[E][0]): Promise<Requests[E][1]>;
  /** Says something whose loss does no harm. */
  tell<E extends keyof Requests>(event: E, payload: Requests[E][0]): void;
  rename(name: string): Promise<void>;
  refresh(token: string): Promise<void>;
  retryNow(): void;
  close(): void;
}

/** Refusals at the door after which the same attempt cannot succeed. */
const FINAL: readonly string[] = ["unauthorized", "bad_request", "reserved", "banned"];

export function openConnection(url: string, options: ClientOptions, open: Opener, env: Env, listener: Listener): Connection {
  const { ackTimeoutMs = 10_000, socket: { reconnectionDelay = 1_000, reconnectionDelayMax = 5_000 } = {} } = options;
  const storage = options.storage === undefined ? stored(() => globalThis.localStorage) : options.storage;
  const key = url ? `hubbub:session:${url}` : "hubbub:session";
  const giver = typeof options.token === "function" ? options.token : undefined;
  let token = giver ? undefined : (options.token as string | undefined);
  /** The server has closed because this token was over. */
  let over = false;
  let { name } = options;
  let session = options.session ?? stored(() => storage?.getItem(key)) ?? undefined;
  let state: State = "connecting";
  let why: Why | undefined;
  let retry: { retryInMs: number; retryAt: number } | undefined;
  let who: Pick<ClientSnapshot, "me" | "limits" | "node" | "token"> = {};
  let replaced = false;
  let degraded: "slow" | "server" | undefined;
  let notice: { code: Why; reconnect: boolean; until: number } | undefined;
  let tries = 0;
  /** Goes on with every change of the state: what was begun before one is not gone on with. */
  let turn = 0;
  let ahead = 0;
  let stopWaiting = (): void => {};

  const { snapshot, subscribe, changed } = subject<ClientSnapshot>(() => ({ state: degraded ? "degraded" : state, why: degraded ?? why, ...retry, ...who }));

  // === Asking

  const ready = (): boolean => state === "ready";
  const gone = (): "closed" | "disconnected" => (state === "closed" ? "closed" : "disconnected");

  function ask<E extends keyof Requests>(event: E, payload: Requests[E][0]): Promise<Requests[E][1]> {
    if (!ready()) return Promise.reject(ours(gone(), "none"));
    return new Promise((settle, fail) => {
      const onTime = env.after(SLOW_MS, () => degraded || degrade("slow"));
      socket.timeout(ackTimeoutMs).emit(event, payload, (late, ack) => {
        onTime();
        if (late) {
          fail(ours(ready() ? "timeout" : gone()));
          // Whether anything still answers is otherwise not known before the next request.
          if (degraded) ask("system:ping", {}).catch(() => {});
          return;
        }
        // What does not need the store says nothing about it.
        const stillDown = degraded === "server" && (!ack.ok || event === "system:ping");
        degrade(stillDown || (!ack.ok && ack.error.code === "unavailable") ? "server" : undefined);
        if (ack.ok) settle(ack as unknown as Requests[E][1]);
        else fail(new HubbubError(refusal(ack.error)));
      });
    });
  }

  function degrade(by: "slow" | "server" | undefined): void {
    if (degraded === by || !ready()) return;
    const was = degraded;
    degraded = by;
    changed();
    if (was === "server" && !by) listener.restored();
  }

  // === What the server says

  function heard<E extends keyof ServerEvents>(event: E, payload: ServerEvents[E]): void {
    if (state === "closed") return;
    if (event === "session:ready") welcome(payload as ServerEvents["session:ready"]);
    if (event === "session:expiring") void expiring(payload as ServerEvents["session:expiring"]);
    if (event === "system:notice") noticed(payload as SystemNotice);
    if (event === "error:notice") listener.failed(refusal(payload as ErrorNotice));
    listener.heard(event, payload);
  }

  function noticed({ code, reconnect, after_ms }: { code: string; reconnect: boolean; after_ms: number }): void {
    // These two tell how the server is; all others, why it closes.
    if (code === "degraded") degrade("server");
    else if (code === "restored") degrade(undefined);
    else notice = { code, reconnect, until: env.now() + after_ms };
  }

  function welcome({ user, session: given, node, limits, server_time, expires_at }: ServerEvents["session:ready"]): void {
    stopWaiting();
    tries = 0;
    over = false;
    ahead = server_time - env.now();
    keep(given, user, expires_at);
    who = { ...who, node, limits };
    to("ready", replaced ? "session_replaced" : undefined);
    replaced = false;
    listener.ready();
  }

  /** `given`: none where tokens are asked for. */
  function keep(given: string | null | undefined, me: Identity, ends?: number | null): void {
    session = given ?? undefined;
    name = me.name;
    who = { ...who, me, ...(ends && { token: { endsAt: ends - ahead, ending: false } }) };
    if (given) stored(() => storage?.setItem(key, given));
  }

  // === Tokens

  async function expiring({ in_ms }: ServerEvents["session:expiring"]): Promise<void> {
    who = { ...who, token: { endsAt: env.now() + in_ms, ending: true } };
    changed();
    if (!giver) return;
    const mine = turn;
    try {
      const next = await askFor(giver, env);
      // The same one once more would be heard as news, again and again until it is over.
      if (next && next !== token && mine === turn) await refresh(next);
    } catch (error) {
      if (mine === turn) listener.failed(plain(error));
    }
  }

  async function refresh(next: string): Promise<void> {
    const { user, expires_at } = await ask("session:refresh", { token: next });
    token = next;
    keep(undefined, user, expires_at);
    changed();
  }

  // === Coming and going

  function connect(): void {
    stopWaiting();
    retry = undefined;
    changed();
    if (!giver) return void socket.connect();
    const mine = turn;
    askFor(giver, env).then(
      (next) => {
        if (mine !== turn) return;
        if (over && (!next || next === token)) return close("expired");
        token = next;
        socket.connect();
      },
      (error) => {
        if (mine !== turn) return;
        listener.failed(plain(error));
        wait("token_failed");
      },
    );
  }

  const retryNow = (): void => {
    if (retry) connect();
  };

  function close(by: Why = "closed"): void {
    if (state === "closed") return;
    to("closed", by);
    globalThis.removeEventListener?.("online", retryNow);
    socket.disconnect();
    listener.lost();
  }

  function disconnected(reason: string): void {
    if (state === "closed") return;
    const said = notice;
    notice = undefined;
    const wasReady = ready();
    over = said?.code === "expired";
    if (said && !said.reconnect && !(over && giver)) return close(said.code);
    wait(said?.code ?? (reason === "io server disconnect" ? "server_closed" : "lost"), said && Math.max(0, said.until - env.now()));
    if (wasReady) listener.lost();
  }

  function refused(message: string): void {
    if (state === "closed") return;
    // The socket gives up only when the server itself said no; then the message is a code.
    if (socket.active) return wait("lost");
    if (message === "unauthorized" && session && !replaced) {
      replaced = true;
      session = undefined;
      // It may as well be the token: then the session is still good for who comes without that.
      if (!token) stored(() => storage?.removeItem(key));
      return wait("unauthorized", 0);
    }
    if (!FINAL.includes(message)) return wait(message);
    listener.failed({ code: message, message, retryable: false, outcome: "none" });
    close(message);
  }

  /** Tries again later: after what the server said, or else ever later. */
  function wait(by: Why, earliest?: number): void {
    stopWaiting();
    const retryInMs = Math.round(
      earliest === undefined
        ? backoff(env, tries++, 0, reconnectionDelay, reconnectionDelayMax)
        : earliest + between(env, 0, Math.min(500, reconnectionDelay)),
    );
    retry = { retryInMs, retryAt: env.now() + retryInMs };
    to("reconnecting", globalThis.navigator?.onLine === false ? "offline" : by);
    stopWaiting = env.after(retryInMs, connect);
  }

  function to(next: State, by?: Why): void {
    if (next !== "reconnecting") retry = undefined;
    if (next === "closed") stopWaiting();
    if (next !== "ready") who = { ...who, node: undefined, token: undefined };
    turn++;
    state = next;
    why = by;
    degraded = undefined;
    changed();
  }

  // When to try again is ours: the library does not say when it will, nor come back after the server closed.
  const socket = open(`${url}/chat`, {
    ...options.socket,
    autoConnect: false,
    reconnection: false,
    auth: (give: (auth: object) => void) => give({ name, session, token }),
  });
  socket.onAny((event, payload) => heard(event as keyof ServerEvents, payload as ServerEvents[keyof ServerEvents]));
  socket.on("connect_error", (error: Error) => refused(error.message));
  socket.on("disconnect", disconnected);
  globalThis.addEventListener?.("online", retryNow);
  connect();

  return {
    snapshot,
    subscribe,
    ready,
    me: () => who.me,
    now: () => env.now() + ahead,
    ask,
    tell: (event, payload) => void (ready() && socket.emit(event, payload)),
    async rename(wanted) {
      const { user, session: given } = await ask("session:rename", { name: wanted });
      keep(given, user);
      changed();
    },
    refresh,
    retryNow,
    close,
  };
}

/** A storage that is full or forbidden is none. */
function stored<T>(access: () => T): T | undefined {
  try {
    return access();
  } catch {
    return undefined;
  }
}
