// @hubbub/client/outbox: unsent messages survive a reload, in IndexedDB, each under a tab that owns it.
import { newMid } from "./mid.js";
import type { OutboxEntry, OutboxStore } from "./types.js";

interface Kept extends OutboxEntry {
  owner: string;
}

const STORE = "outbox";

/**
 * Two tabs share one database, but each entry has one owner, and an owner holds a Web Lock for as long
 * as it lives. Whoever gets the lock of another owner knows that it is gone, and inherits.
 */
export function indexedDbOutbox(
  name = "hubbub:outbox",
  owner: string = newMid(Date.now()),
  locks: LockManager | undefined = globalThis.navigator?.locks,
): OutboxStore {
  let release = (): void => {};
  const lockOf = (who: string): string => `${name}:${who}`;
  const alive = new Promise<void>((settle) => (release = settle));
  const owned = locks && new Promise<void>((got) => void locks.request(lockOf(owner), () => (got(), alive)).catch(got));
  const database = opened(name);
  // Opened when first needed; until then nobody waits for its failure.
  database.catch(() => {});

  const run = async <T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> => {
    const db = await database;
    return new Promise((settle, fail) => {
      const transaction = db.transaction(STORE, mode);
      const request = work(transaction.objectStore(STORE));
      transaction.oncomplete = () => settle(request.result);
      transaction.onabort = transaction.onerror = () => fail(transaction.error);
    });
  };
  const put = async (entry: OutboxEntry): Promise<void> => {
    await owned;
    const kept: Kept = { ...entry, owner };
    await run("readwrite", (store) => store.put(kept));
  };

  const inherit = async (): Promise<OutboxEntry[]> => {
    const all: Kept[] = await run("readonly", (store) => store.getAll());
    const dead = new Set<string>();
    for (const who of new Set(all.map((entry) => entry.owner))) {
      if (who !== owner && (await isGone(who))) dead.add(who);
    }
    const inherited = all.filter((entry) => dead.has(entry.owner)).map(({ owner: _, ...entry }) => entry);
    for (const entry of inherited) await put(entry);
    return inherited.sort((a, b) => a.at - b.at);
  };
  // Without locks two tabs may both send; the server then takes the second for the retry it looks like.
  const isGone = (who: string): Promise<boolean> =>
    locks ? locks.request(lockOf(who), { ifAvailable: true }, (lock) => lock !== null) : Promise.resolve(true);

  return {
    put,
    delete: async (mid) => {
      // In line behind the `put` it undoes.
      await owned;
      await run("readwrite", (store) => store.delete(mid));
    },
    // One heir at a time, or two would inherit the same.
    adopt: async () => (locks ? locks.request(lockOf("heir"), inherit) : inherit()),
    close: () => {
      release();
      void database.then((db) => db.close(), () => {});
    },
  };
}

function opened(name: string): Promise<IDBDatabase> {
  return new Promise((settle, fail) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "mid" });
    request.onsuccess = () => settle(request.result);
    request.onerror = () => fail(request.error);
  });
}
