// Time and chance, so that tests can have others.

export interface Env {
  now(): number;
  /** 0 to 1. */
  random(): number;
  /** Runs something later; gives what calls it off. */
  after(ms: number, run: () => void): () => void;
}

export const realEnv: Env = {
  now: () => Date.now(),
  random: () => Math.random(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** Between `low` and `high`. */
export function between(env: Env, low: number, high: number): number {
  return low + env.random() * (high - low);
}

/** The wait before try number `tries` (from 0): doubles up to `most`, half of it left to chance. */
export function backoff(env: Env, tries: number, first = 500, most = 10_000): number {
  return Math.min(first * 2 ** Math.min(tries, 16), most) * between(env, 0.5, 1.5);
}
