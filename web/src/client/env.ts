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

/**
 * The wait before try number `tries` (from 0): doubles up to `most`, half of it left to chance. What the server
 * told is the least, and chance comes on top: whoever was refused together does not come back together.
 */
export function backoff(env: Env, tries: number, told = 0, first = 500, most = 5_000): number {
  return Math.max(told, Math.min((told || first) * 2 ** Math.min(tries, 16), most)) * between(env, told ? 1 : 0.5, 1.5);
}
