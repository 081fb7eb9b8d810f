/** How often each name may do something: at most `burst` times at once, and that many in `window` milliseconds. */
export class Throttle {
  readonly burst: number;
  readonly #window: number;
  readonly #most: number;
  /** For each name, when what it has used up will all have come back. The least recently used first. */
  readonly #until = new Map<string, number>();

  /** @param most names remembered; beyond it the least recently used is forgotten, and begins anew. */
  constructor({ burst, window, most }: { readonly burst: number; readonly window: number; readonly most: number }) {
    this.burst = burst;
    this.#window = window;
    this.#most = most;
  }

  /** Names remembered. */
  get size(): number {
    return this.#until.size;
  }

  /** Milliseconds until the name may do it `times` more; 0 when it may now. */
  wait(name: string, now: number, times = 1): number {
    // Sums of fractions differ in their last digits: no one waits for less than a hundredth of one time.
    return Math.max(0, this.#used(name, now) + ((times - 0.01) * this.#window) / this.burst - this.#window);
  }

  /** Counts `times` more of it. */
  take(name: string, now: number, times = 1): void {
    const used = Math.min(this.#used(name, now) + (times * this.#window) / this.burst, this.#window);
    this.#until.delete(name);
    if (this.#until.size >= this.#most) this.#forgetOne(now);
    this.#until.set(name, now + used);
  }

  /** Counts `times` less of it. */
  give(name: string, now: number, times = 1): void {
    const used = this.#used(name, now) - (times * this.#window) / this.burst;
    if (used <= 0) this.#until.delete(name);
    else this.#until.set(name, now + used);
  }

  /** How much of its window the name has used up. More than a window means that the clock was set back: it begins anew. */
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
