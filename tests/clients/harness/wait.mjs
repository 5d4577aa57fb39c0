// Waiting for something to happen, with one limit for all of it.
import { setTimeout as pause } from "node:timers/promises";

/** How long anything that must happen may take on a machine whose cores are all busy; shorter only where failures are expected. */
export const WITHIN_MS = Number(process.env.HUBBUB_TEST_WITHIN_MS ?? 30_000);

/** The promise's value, or an error that says what did not happen; `describe` adds what was seen instead. */
export async function within(promise, what, describe = () => "") {
  const late = new AbortController();
  const limit = pause(WITHIN_MS, undefined, { signal: late.signal }).then(() => {
    throw new Error(`not within ${WITHIN_MS} ms: ${what}\n${describe()}`);
  });
  limit.catch(() => {});
  try {
    return await Promise.race([promise, limit]);
  } finally {
    late.abort();
  }
}

/** Asks again and again until `check` says something; for what announces itself by no event, such as a port. */
export async function until(check, what, describe) {
  let over = false;
  const answer = (async () => {
    while (!over) {
      const found = await check();
      if (found) return found;
      await pause(20);
    }
  })();
  try {
    return await within(answer, what, describe);
  } finally {
    over = true;
  }
}
