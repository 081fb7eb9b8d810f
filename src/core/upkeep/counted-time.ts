/**
 * Time for retention periods.
 *
 * The wall clock may jump: it was set, or the machine slept. Nothing aged meanwhile, so a jump must not expire
 * anything. While the process runs, a monotonic clock measures the passed time; a larger advance of the wall clock is a
 * gap, which retention periods skip. A downtime is a gap as well, because clients could not continue their uploads.
 * Gaps are recorded, so that ages persist over restarts. Late observation only makes ages shorter, never longer.
 */
import type { Clock } from '../../kit/clock.ts';
import type { Catalog, ClockGap } from '../engine.ts';

/** Milliseconds that the clocks may differ between two observations. */
const tolerance = 60_000;
/** Milliseconds after a gap in which dates of rules are not trusted, so that the clock can be corrected. */
const doubt = 86_400_000;

export class CountedTime {
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  /** Newest first. */
  #gaps: readonly ClockGap[] = [];
  #last: { readonly wall: number; readonly steady: number } | undefined;

  constructor(catalog: Catalog, clock: Clock) {
    this.#catalog = catalog;
    this.#clock = clock;
  }

  /** Compares the clocks and records a gap. Called before anything is removed by age. */
  async observe(): Promise<void> {
    const wall = this.#clock.now();
    const steady = this.#clock.elapsed?.();
    // Without a monotonic clock a jump cannot be detected.
    if (steady === undefined) return;
    const { seen, gaps } = await this.#catalog.events.clock();
    const before = this.#last;
    this.#last = { wall, steady };
    const length = before ? Math.round(wall - before.wall - (steady - before.steady)) : seen === null ? 0 : wall - seen;
    const gap = length > tolerance ? { ends: wall, length } : null;
    this.#gaps = gap ? [gap, ...gaps] : gaps;
    await this.#catalog.events.pass(wall, gap);
  }

  /** The wall clock time before which something was last touched if it is older than `age`. */
  ago(age: number): number {
    let left = age;
    let at = this.#clock.now();
    for (const { ends, length } of this.#gaps) {
      const counted = at - ends;
      if (counted >= left) break;
      left -= Math.max(counted, 0);
      at = Math.min(at, ends) - length;
    }
    return at - left;
  }

  /** The wall clock time without gaps of the last day. */
  now(): number {
    const since = this.ago(doubt);
    return this.#gaps.filter(({ ends }) => ends > since).reduce((now, { length }) => now - length, this.#clock.now());
  }
}
