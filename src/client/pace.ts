/** How much to send in one request. */

export interface PaceOptions {
  /** Bytes of the first request. */
  readonly first?: number;
  readonly least?: number;
  readonly most?: number;
  /** Milliseconds that one request should take. */
  readonly aim?: number;
}

const MiB = 1024 * 1024;

/**
 * A chunk size that follows the line: large where it is fast, so that requests do not count; small where it breaks.
 *
 * Servers keep what arrived of a broken request, but something on the way may hold a whole body back until it is complete;
 * then a chunk is what one cut costs.
 */
export class Pace {
  readonly #least: number;
  #most: number;
  readonly #aim: number;
  #next: number;

  constructor(options: PaceOptions = {}) {
    this.#least = options.least ?? 64 * 1024;
    this.#most = Math.max(this.#least, options.most ?? 64 * MiB);
    this.#aim = options.aim ?? 4000;
    this.#next = this.#within(options.first ?? MiB);
  }

  /** Bytes for the next request. */
  get next(): number {
    return this.#next;
  }

  /** A request of `bytes` went well in `ms`. */
  took(bytes: number, ms: number): void {
    if (bytes < this.#next) return;
    const ideal = (bytes / Math.max(ms, 1)) * this.#aim;
    this.#next = this.#within(Math.min(ideal, bytes * 4));
  }

  /** A request failed. */
  failed(): void {
    this.#next = this.#within(this.#next / 2);
  }

  /** Something on the way takes no body of this size, now or later; false when none could be smaller. */
  refused(): boolean {
    if (this.#next === this.#least) return false;
    this.#most = Math.max(this.#least, this.#next / 2);
    this.failed();
    return true;
  }

  #within(bytes: number): number {
    return Math.round(Math.min(this.#most, Math.max(this.#least, bytes)));
  }
}
