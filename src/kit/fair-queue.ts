/** There is no room to wait: too many wait already. */
export class QueueFull extends Error {}

interface Waiting {
  readonly enter: () => void;
  readonly refuse: (error: QueueFull) => void;
}

/**
 * A queue in which groups take turns, so that one that asks a thousand times waits for itself alone. It is bounded: where
 * it is full, the group that waits most gives up its newest place.
 */
export class FairQueue {
  readonly #width: number;
  readonly #most: number;
  readonly #groups = new Map<string, Waiting[]>();
  #running = 0;
  #waiting = 0;

  /**
   * @param options.width how many run at once.
   * @param options.most how many may wait.
   */
  constructor({ width, most }: { readonly width: number; readonly most: number }) {
    this.#width = width;
    this.#most = most;
  }

  /** How many wait. */
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

  /** Lets the first of the next group in; the group then stands behind all others. */
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
