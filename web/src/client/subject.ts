// Something that has a snapshot and says when there is a new one.

export interface Subject<S> {
  /** The same object until something changes. */
  snapshot(this: void): S;
  subscribe(this: void, changed: () => void): () => void;
  /** Many changes in one go are told once: a page of 200 messages is one rendering. */
  changed(this: void): void;
}

/** `build` is given what it built the last time. */
export function subject<S>(build: (last: S | undefined) => S): Subject<S> {
  const listeners = new Set<() => void>();
  let now: S | undefined;
  let last: S | undefined;
  let telling = false;
  return {
    snapshot: () => (now ??= last = build(last)),
    subscribe(changed) {
      // A function of its own, so that one listener can subscribe twice.
      const listener = (): void => changed();
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    changed() {
      now = undefined;
      if (telling) return;
      telling = true;
      queueMicrotask(() => {
        telling = false;
        for (const listener of [...listeners]) listener();
      });
    },
  };
}
