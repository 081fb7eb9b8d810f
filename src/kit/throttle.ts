/** Rate limit by name: a burst of `burst`, refilled over `window` milliseconds. */
export class Throttle {
  readonly burst: number;
  readonly #window: number;
  readonly #most: number;
  /** The time at which each name's budget is full again, least recently used first. */
  readonly #until = new Map<string, number>();

  /** @param most maximum number of names; beyond it the least recently used is dropped, with its count */
  constructor({ burst, window, most }: { readonly burst: number; readonly window: number; readonly most: number }) {
    this.burst = burst;
    this.#window = window;
    this.#most = most;
  }

  /** Number of names. */
  get size(): number {
    return this.#until.size;
  }

  /** Milliseconds until the name has budget for `times` more; 0 if it has it now. */
  wait(name: string, now: number, times = 1): number {
    // Sums of fractions differ in their last digits, so waits below a hundredth of one unit count as zero.
    return Math.max(0, this.#used(name, now) + ((times - 0.01) * this.#window) / this.burst - this.#window);
  }

  /** Consumes `times` of the budget. */
  take(name: string, now: number, times = 1): void {
    const used = Math.min(this.#used(name, now) + (times * this.#window) / this.burst, this.#window);
    this.#until.delete(name);
    if (this.#until.size >= this.#most) this.#forgetOne(now);
    this.#until.set(name, now + used);
  }

  /** Returns `times` of the budget. */
  give(name: string, now: number, times = 1): void {
    const used = this.#used(name, now) - (times * this.#window) / this.burst;
    if (used <= 0) this.#until.delete(name);
    else this.#until.set(name, now + used);
  }

  /** Milliseconds of the window used. More than a window means that the clock was set back: start over. */
  #used(name: string, now: number): number {
    const left = (this.#until.get(name) ?? 0) - now;
    return left > this.#window + 1 ? 0 : Math.min(Math.max(0, left), this.#window);
  }

  #forgetOne(now: number): void {
    for (const [name, until] of this.#until) {
      if (until > now && this.#until.size < this.#most) return;
      this.#until.delete(name);
      if (until > now) return;
    }
  }
}
