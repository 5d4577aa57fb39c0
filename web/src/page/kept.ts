// Values that outlive the page: small stores over Web Storage that React can subscribe to.
import { useSyncExternalStore } from "react";

export interface Kept<T> {
  get(): T;
  set(value: T): void;
  subscribe(changed: () => void): () => void;
}

/** A storage that may be forbidden or full: then the value lasts as long as the page. */
export function kept<T>(key: string, initial: T, storage: () => Storage = () => localStorage): Kept<T> {
  const listeners = new Set<() => void>();
  const read = (text: string | null): T => {
    try {
      return text === null ? initial : (JSON.parse(text) as T);
    } catch {
      return initial;
    }
  };
  let value = read(attempt(() => storage().getItem(key)) ?? null);
  // Another tab of the same person; a `sessionStorage` never says so.
  addEventListener("storage", (event) => {
    if (event.key !== key || event.storageArea !== attempt(storage)) return;
    value = read(event.newValue);
    listeners.forEach((changed) => changed());
  });
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      attempt(() => storage().setItem(key, JSON.stringify(next)));
      listeners.forEach((changed) => changed());
    },
    subscribe(changed) {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
  };
}

export function useKept<T>(store: Kept<T>): T {
  return useSyncExternalStore(store.subscribe, store.get);
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
