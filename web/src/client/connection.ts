// One connection after the other over a stock socket: who one is, how the connection stands, and asking.
import type { ManagerOptions, SocketOptions } from "socket.io-client";

import { backoff, between, type Env } from "./env.js";
import { HubbubError, ours, refusal } from "./errors.js";
import { Subject } from "./subject.js";
import type { ClientOptions, ClientSnapshot, ErrorNotice, Failure, Requests, ServerEvents, Why } from "./types.js";

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
  heard<E extends keyof ServerEvents>(event: E, payload: ServerEvents[E]): void;
  /** A refusal nobody waited for. */
  failed(failure: Failure): void;
}

/** An answer later than this is called slow. */
const SLOW_MS = 4_000;
/** Refusals at the door after which the same attempt cannot succeed. */
const FINAL: readonly string[] = ["unauthorized", "bad_request", "reserved"];

export class Connection extends Subject<ClientSnapshot> {
  readonly #socket: SocketLike;
  readonly #storage: ClientOptions["storage"];
  readonly #key: string;
  readonly #ackTimeoutMs: number;
  #state: State = "connecting";
  #why: Why | undefined;
  #retry: { retryInMs: number; retryAt: number } | undefined;
  #who: Pick<ClientSnapshot, "me" | "limits" | "node"> = {};
  #name: string | undefined;
  #session: string | undefined;
  #replaced = false;
  #degraded: "slow" | "server" | undefined;
  #notice: { code: Why; reconnect: boolean; until: number } | undefined;
  #tries = 0;
  #stopWaiting = (): void => {};

  constructor(
    url: string,
    readonly options: ClientOptions,
    open: Opener,
    readonly env: Env,
    readonly listener: Listener,
  ) {
    super();
    this.#ackTimeoutMs = options.ackTimeoutMs ?? 10_000;
    this.#storage = options.storage === undefined ? this.#stored(() => globalThis.localStorage) : options.storage;
    this.#key = url ? `hubbub:session:${url}` : "hubbub:session";
    this.#name = options.name;
    this.#session = options.session ?? this.#stored(() => this.#storage?.getItem(this.#key)) ?? undefined;
    // When to try again is ours: the library does not say when it will, nor come back after the server closed.
    const socket = open(`${url}/chat`, {
      ...options.socket,
      autoConnect: false,
      reconnection: false,
      auth: (give: (auth: object) => void) => give({ name: this.#name, session: this.#session }),
    });
    this.#socket = socket;
    socket.onAny((event, payload) => this.#heard(event as keyof ServerEvents, payload as ServerEvents[keyof ServerEvents]));
    socket.on("connect_error", (error: Error) => this.#refused(error.message));
    socket.on("disconnect", (reason: string) => this.#disconnected(reason));
    globalThis.addEventListener?.("online", this.retryNow);
    this.#connect();
  }

  get ready(): boolean {
    return this.#state === "ready";
  }

  get me(): ClientSnapshot["me"] {
    return this.#who.me;
  }

  protected build(): ClientSnapshot {
    const degraded = this.#degraded;
    return { state: degraded ? "degraded" : this.#state, why: degraded ?? this.#why, ...this.#retry, ...this.#who };
  }

  /** Asks once; every answer but a yes is thrown. */
  ask<E extends keyof Requests>(event: E, payload: Requests[E][0]): Promise<Requests[E][1]> {
    if (!this.ready) return Promise.reject(ours(this.#gone(), "none"));
    return new Promise((settle, fail) => {
      const onTime = this.env.after(SLOW_MS, () => this.#degrade("slow"));
      this.#socket.timeout(this.#ackTimeoutMs).emit(event, payload, (late, ack) => {
        onTime();
        if (late) {
          fail(ours(this.ready ? "timeout" : this.#gone()));
          // Whether anything still answers is otherwise not known before the next request.
          if (this.#degraded) this.ask("system:ping", {}).catch(() => {});
          return;
        }
        // What does not need the store says nothing about it.
        const stillDown = this.#degraded === "server" && (!ack.ok || event === "system:ping");
        this.#degrade(stillDown || (!ack.ok && ack.error.code === "unavailable") ? "server" : undefined);
        if (ack.ok) settle(ack as unknown as Requests[E][1]);
        else fail(new HubbubError(refusal(ack.error)));
      });
    });
  }

  #gone(): "closed" | "disconnected" {
    return this.#state === "closed" ? "closed" : "disconnected";
  }

  /** Says something whose loss does no harm. */
  tell<E extends keyof Requests>(event: E, payload: Requests[E][0]): void {
    if (this.ready) this.#socket.emit(event, payload);
  }

  async rename(name: string): Promise<void> {
    const { user, session } = await this.ask("session:rename", { name });
    this.#keep(session, user);
    this.changed();
  }

  readonly retryNow = (): void => {
    if (this.#state !== "reconnecting" || !this.#retry) return;
    this.#connect();
  };

  close(why: Why = "closed"): void {
    if (this.#state === "closed") return;
    this.#to("closed", why);
    globalThis.removeEventListener?.("online", this.retryNow);
    this.#socket.disconnect();
    this.listener.lost();
  }

  #connect(): void {
    this.#stopWaiting();
    this.#retry = undefined;
    this.changed();
    this.#socket.connect();
  }

  #heard<E extends keyof ServerEvents>(event: E, payload: ServerEvents[E]): void {
    if (this.#state === "closed") return;
    if (event === "session:ready") this.#welcome(payload as ServerEvents["session:ready"]);
    if (event === "system:notice") {
      const { code, reconnect, after_ms } = payload as ServerEvents["system:notice"];
      this.#notice = { code, reconnect, until: this.env.now() + after_ms };
    }
    if (event === "error:notice") this.listener.failed(refusal(payload as ErrorNotice));
    this.listener.heard(event, payload);
  }

  #welcome({ user, session, node, limits }: ServerEvents["session:ready"]): void {
    this.#stopWaiting();
    this.#tries = 0;
    this.#keep(session, user);
    this.#who = { ...this.#who, node, limits };
    this.#to("ready", this.#replaced ? "session_replaced" : undefined);
    this.#replaced = false;
    this.listener.ready();
  }

  #keep(session: string, { id, name }: { id: string; name: string }): void {
    this.#session = session;
    this.#name = name;
    this.#who = { ...this.#who, me: { id, name } };
    this.#stored(() => this.#storage?.setItem(this.#key, session));
  }

  #disconnected(reason: string): void {
    if (this.#state === "closed") return;
    const notice = this.#notice;
    this.#notice = undefined;
    const wasReady = this.ready;
    if (notice && !notice.reconnect) return this.close(notice.code);
    const earliest = notice && Math.max(0, notice.until - this.env.now());
    this.#wait(notice?.code ?? (reason === "io server disconnect" ? "server_closed" : "lost"), earliest);
    if (wasReady) this.listener.lost();
  }

  #refused(message: string): void {
    if (this.#state === "closed") return;
    // The socket gives up only when the server itself said no; then the message is a code.
    if (this.#socket.active) return this.#wait("lost");
    if (message === "unauthorized" && this.#session && !this.#replaced) {
      this.#replaced = true;
      this.#session = undefined;
      this.#stored(() => this.#storage?.removeItem(this.#key));
      return this.#wait("unauthorized", 0);
    }
    if (!FINAL.includes(message)) return this.#wait(message);
    this.listener.failed({ code: message, message, retryable: false, outcome: "none" });
    this.close(message);
  }

  /** Tries again later: after what the server said, or else ever later. */
  #wait(why: Why, earliest?: number): void {
    this.#stopWaiting();
    const { reconnectionDelay = 1_000, reconnectionDelayMax = 5_000 } = this.options.socket ?? {};
    const retryInMs = Math.round(
      earliest === undefined
        ? backoff(this.env, this.#tries++, reconnectionDelay, reconnectionDelayMax)
        : earliest + between(this.env, 0, Math.min(500, reconnectionDelay)),
    );
    this.#retry = { retryInMs, retryAt: this.env.now() + retryInMs };
    this.#to("reconnecting", globalThis.navigator?.onLine === false ? "offline" : why);
    this.#stopWaiting = this.env.after(retryInMs, () => this.#connect());
  }

  #to(state: State, why?: Why): void {
    if (state !== "reconnecting") this.#retry = undefined;
    if (state === "closed") this.#stopWaiting();
    if (state !== "ready") this.#who = { ...this.#who, node: undefined };
    this.#state = state;
    this.#why = why;
    this.#degraded = undefined;
    this.changed();
  }

  #degrade(why: "slow" | "server" | undefined): void {
    if (this.#degraded === why || !this.ready) return;
    this.#degraded = why;
    this.changed();
  }

  /** A storage that is full or forbidden is none. */
  #stored<T>(access: () => T): T | undefined {
    try {
      return access();
    } catch {
      return undefined;
    }
  }
}
