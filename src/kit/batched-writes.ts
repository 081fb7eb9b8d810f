/** Facts that may be written a little later, so that many of them cost one write. */

/** Calls `write` some time after the first change, once for all changes until then; one write at a time. */
export class DelayedWrite {
  readonly #write: () => Promise<void>;
  readonly #delay: number;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  /**
   * @param write writes everything that is unwritten by then. A failure reaches the callers of `now` alone.
   * @param delay milliseconds from the first change to the write: a crash loses at most the changes of that time.
   */
  constructor(write: () => Promise<void>, delay: number) {
    this.#write = write;
    this.#delay = delay;
  }

  /** Notes that there is something to write. */
  changed(): void {
    this.#timer ??= setTimeout(() => {
      this.now().catch(() => undefined);
    }, this.#delay).unref();
  }

  /** Writes now, after a write that is under way. */
  now(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.catch(() => undefined).then(this.#write);
    return this.#writing;
  }
}

/** Items that are written at once, however little time has passed. */
const enough = 500;

/** Collects items and writes them together. Items that cannot be written are dropped. */
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

  /** Writes every item that was added before. */
  flush(): Promise<void> {
    return this.#delayed.now();
  }
}
