// Something that has a snapshot and says when there is a new one.

export abstract class Subject<S> {
  #listeners = new Set<() => void>();
  #snapshot: S | undefined;
  #telling = false;

  protected abstract build(last: S | undefined): S;
  #last: S | undefined;

  /** The same object until something changes. */
  readonly snapshot = (): S => (this.#snapshot ??= this.#last = this.build(this.#last));

  readonly subscribe = (changed: () => void): (() => void) => {
    // A function of its own, so that one listener can subscribe twice.
    const listener = (): void => changed();
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** Many changes in one go are told once: a page of 200 messages is one rendering. */
  protected changed(): void {
    this.#snapshot = undefined;
    if (this.#telling) return;
    this.#telling = true;
    queueMicrotask(() => {
      this.#telling = false;
      for (const listener of [...this.#listeners]) listener();
    });
  }
}
