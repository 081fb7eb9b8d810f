/** Chooses how much to send in one request. */

export interface PaceOptions {
  /** Bytes of the first request. */
  readonly first?: number;
  readonly least?: number;
  readonly most?: number;
  /** Target duration of a request in milliseconds. */
  readonly aim?: number;
}

const MiB = 1024 * 1024;

/**
 * A chunk size that adapts to the connection: large on a fast one to save requests, small on one that breaks.
 *
 * Servers keep the received part of a broken request, but a proxy may buffer a body until it is complete; then a cut
 * costs a whole chunk.
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

  /** Records that a request of `bytes` succeeded in `ms`. */
  took(bytes: number, ms: number): void {
    if (bytes < this.#next) return;
    const ideal = (bytes / Math.max(ms, 1)) * this.#aim;
    this.#next = this.#within(Math.min(ideal, bytes * 4));
  }

  /** Records a failed request. */
  failed(): void {
    this.#next = this.#within(this.#next / 2);
  }

  /** Records that a proxy refuses bodies of this size; false if the size cannot be reduced. */
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
