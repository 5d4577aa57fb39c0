// How a room keeps up with its log: joins, reads on, repairs what is missing. One request at a time.
import { FRUITLESS, LONG_PAGE, REPAIR_FROM_MS, REPAIR_TO_MS } from "./bounds.js";
import type { Connection } from "./connection.js";
import { backoff, between, type Env } from "./env.js";
import { type HubbubError, plain } from "./errors.js";
import type { Log, ResetReason, Verdict } from "./log.js";
import type { Ask } from "./pages.js";
import type { Failure, Requests, RoomStatus } from "./types.js";

/** What hears of it. */
export interface Told {
  changed(): void;
  /** One is in the room, and whether one comes back to it. */
  joined(page: Requests["room:join"][1], again: boolean): void;
  /** The window was replaced; the reason is absent where the log is still the same. */
  replaced(reason?: ResetReason): void;
  /** Nothing is left to do. */
  live(): void;
  /** Not in the room any more, for now or for good. */
  left(): void;
  /** The room will not have one. */
  refused(error: Failure): void;
}

export interface Follower {
  status(): RoomStatus;
  joined(): boolean;
  denied(): boolean;
  /** Whether what is heard can be judged: not between asking for a page and the answer. */
  settled(): boolean;
  wanted(): boolean;
  /** What the last attempt ran into. */
  error(): Failure | undefined;
  want(is: boolean): void;
  /** One may try again to come in. */
  allow(): void;
  /** Begins to do what there is to do, unless that has begun already. */
  work(): void;
  /** Whatever is under way belongs to a connection or a membership that is no more. */
  forget(): void;
  /** One was sent out: what one asks meanwhile is void, and one comes back only if told to. */
  removed(why: Failure): void;
  /** Draws the consequence; `patience`: what is missing may come within this time by itself. */
  judged(verdict: Verdict, patience?: number): void;
  /** Everything has to be read anew. */
  anew(reason: ResetReason): void;
  /** Goes on now instead of waiting. */
  hurry(): void;
}

export function follow(room: string, connection: Connection, env: Env, size: number, log: Log, ask: Ask, told: Told): Follower {
  let wanted = false;
  let joined = false;
  let everJoined = false;
  let denied = false;
  let working = false;
  /** Set while the newest page has to replace what there is. */
  let anew: { reason?: ResetReason } | undefined;
  /** Which connection, and which joining on it, an answer belongs to. */
  let turn = 0;
  let repair: { at: number; cancel: () => void } | undefined;
  let goOn = (): void => {};
  let error: Failure | undefined;

  function cancelRepair(): void {
    repair?.cancel();
    repair = undefined;
  }

  /** Waits a little before it begins. */
  function repairIn(least: number): void {
    const ms = least + between(env, REPAIR_FROM_MS, REPAIR_TO_MS);
    const at = env.now() + ms;
    if (working || (repair && repair.at <= at)) return;
    cancelRepair();
    const cancel = env.after(ms, () => {
      repair = undefined;
      work();
    });
    repair = { at, cancel };
  }

  function work(): void {
    if (working || !step()) return;
    cancelRepair();
    working = true;
    told.changed();
    void workOn(turn);
  }

  /** The next thing to do. */
  function step(): (() => Promise<() => void>) | undefined {
    if (!wanted || denied || !connection.ready()) return undefined;
    if (!joined) return askToJoin;
    if (anew || log.head - log.upto > log.keep) return askNewest;
    return log.behind ? askNext : undefined;
  }

  /** `mine` tells a worker that its connection is gone, and that whatever comes back is not for it. */
  async function workOn(mine: number): Promise<void> {
    let failures = 0;
    let fruitless = 0;
    for (let next = step(); next; next = step()) {
      const { upto } = log;
      let wait = 0;
      try {
        const apply = await next();
        if (mine !== turn) return;
        apply();
        failures = 0;
        error = undefined;
        if (log.upto > upto || !log.behind) fruitless = 0;
        else if (++fruitless >= FRUITLESS) {
          anew ??= {};
          fruitless = 0;
        } else wait = backoff(env, fruitless);
      } catch (thrown) {
        if (mine !== turn) return;
        const refused = thrown as HubbubError;
        error = plain(refused);
        if (refused.code === "not_member") joined = false;
        else if (!refused.retryable) {
          denied = true;
          told.refused(error);
        }
        wait = backoff(env, failures++, refused.retryAfterMs);
      }
      told.changed();
      if (wait && step()) {
        await new Promise<void>((go) => {
          goOn = go;
          env.after(wait, go);
        });
      }
      if (mine !== turn) return;
    }
    working = false;
    if (joined) told.live();
    told.changed();
  }

  async function askToJoin(): Promise<() => void> {
    const again = everJoined;
    const page = await connection.ask("room:join", { room, limit: again ? LONG_PAGE : size, since: again ? log.cursor() : undefined });
    return () => {
      joined = everJoined = true;
      anew = undefined;
      log.joined(page, again);
      told.joined(page, again);
      if (again && (page.reset || page.truncated)) told.replaced(log.resetReason);
    };
  }

  async function askNewest(): Promise<() => void> {
    const why = anew;
    const page = await ask({ limit: size });
    return () => {
      const reason = log.epoch !== null && (page.epoch ?? null) !== log.epoch ? "epoch_changed" : why?.reason;
      anew = undefined;
      log.replaced(page, reason);
      told.replaced(reason);
    };
  }

  async function askNext(): Promise<() => void> {
    const page = await ask({ after: log.upto, limit: LONG_PAGE });
    return () => void (log.filled(page) === "reset" && (anew = { reason: "epoch_changed" }));
  }

  function readAnew(reason: ResetReason): void {
    anew ??= { reason };
    // All members are told in the same moment.
    repairIn(0);
  }

  function forget(): void {
    turn++;
    working = joined = false;
    cancelRepair();
    told.left();
    told.changed();
  }

  return {
    status() {
      if (denied) return "denied";
      if (!wanted) return everJoined ? "left" : "offline";
      if (!connection.ready()) return "offline";
      if (!joined) return "joining";
      return working ? "repairing" : "live";
    },
    joined: () => joined,
    denied: () => denied,
    settled: () => joined && !anew,
    wanted: () => wanted,
    error: () => error,
    want(is) {
      if (wanted !== is) {
        wanted = is;
        if (!is) {
          connection.tell("room:leave", { room });
          forget();
        }
        told.changed();
      }
      work();
    },
    allow: () => void (denied = false),
    work,
    forget,
    removed(why) {
      denied = true;
      error = why;
      forget();
      told.refused(why);
    },
    judged(verdict, patience = 0) {
      told.changed();
      if (verdict === "reset") readAnew("diverged");
      else if (verdict === "held") repairIn(patience);
      else if (!log.behind && !anew) cancelRepair();
    },
    anew: readAnew,
    hurry: () => goOn(),
  };
}
