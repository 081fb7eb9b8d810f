/** Delays writes so that many changes cost one write. */

/** Calls `write` a fixed time after the first change, once for all changes until then. Writes never overlap. */
export class DelayedWrite {
  readonly #write: () => Promise<void>;
  readonly #delay: number;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  /**
   * @param write writes all pending changes; only callers of `now` see its errors
   * @param delay milliseconds from the first change to the write; a crash loses at most the changes of that time
   */
  constructor(write: () => Promise<void>, delay: number) {
    this.#write = write;
    this.#delay = delay;
  }

  /** Schedules a write. */
  changed(): void {
    this.#timer ??= setTimeout(() => {
      this.now().catch(() => undefined);
    }, this.#delay).unref();
  }

  /** Writes now, after a write that is in progress. */
  now(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.catch(() => undefined).then(this.#write);
    return this.#writing;
  }
}

/** Number of pending items that triggers a write at once. */
const enough = 500;

/** Collects items and writes them together. If a write fails, its items are dropped. */
export class BatchedWrites<T> {
  readonly #delayed: DelayedWrite;
  #items: T[] = [];

  constructor(write: (items: readonly T[]) => Promise<void>, delay = 1000) {
    this.#delayed = new DelayedWrite(async () => {
      const items = this.#items;
      this.#items = [];
      if (items.length > 0) await write(items).catch(() => undefined);
    }, delay);
  }

  add(item: T): void {
    this.#items.push(item);
    if (this.#items.length >= enough) this.#delayed.now().catch(() => undefined);
    else this.#delayed.changed();
  }

  /** Writes all items that were added before the call. */
  flush(): Promise<void> {
    return this.#delayed.now();
  }
}
