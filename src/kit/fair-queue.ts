/** The queue is full. */
export class QueueFull extends Error {}

interface Waiting {
  readonly enter: () => void;
  readonly refuse: (error: QueueFull) => void;
}

/**
 * A queue that serves groups in turn (round-robin), so that a group with many requests delays only itself. The queue is
 * bounded: when it is full, the group with the most waiting requests loses its newest one.
 */
export class FairQueue {
  readonly #width: number;
  readonly #most: number;
  readonly #groups = new Map<string, Waiting[]>();
  #running = 0;
  #waiting = 0;

  /**
   * @param options.width maximum number of running calls
   * @param options.most maximum number of waiting calls
   */
  constructor({ width, most }: { readonly width: number; readonly most: number }) {
    this.#width = width;
    this.#most = most;
  }

  /** Number of waiting calls. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Runs `work` when it is the group's turn. @throws QueueFull */
  async through<T>(group: string, work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#width) this.#running += 1;
    else await this.#wait(group);
    try {
      return await work();
    } finally {
      this.#next();
    }
  }

  #wait(group: string): Promise<void> {
    const own = this.#groups.get(group) ?? [];
    if (this.#waiting >= this.#most) {
      const [longest, line] = this.#longest();
      if (line.length <= own.length + 1) return Promise.reject(new QueueFull('too many wait'));
      this.#waiting -= 1;
      const dropped = line.pop();
      if (line.length === 0) this.#groups.delete(longest);
      dropped?.refuse(new QueueFull('too many wait'));
    }
    this.#groups.set(group, own);
    this.#waiting += 1;
    return new Promise((resolve, reject) => own.push({ enter: resolve, refuse: reject }));
  }

  /** Starts the first call of the next group and moves that group to the end. */
  #next(): void {
    for (const [group, line] of this.#groups) {
      this.#groups.delete(group);
      const first = line.shift();
      if (line.length > 0) this.#groups.set(group, line);
      if (!first) continue;
      this.#waiting -= 1;
      first.enter();
      return;
    }
    this.#running -= 1;
  }

  #longest(): [string, Waiting[]] {
    return [...this.#groups].reduce((longest, one) => (one[1].length > longest[1].length ? one : longest));
  }
}
