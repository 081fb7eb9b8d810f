/**
 * Time that counts towards ages, by which upkeep removes what nobody needs any more.
 *
 * A wall clock may jump ahead: it was set wrong, it was set right, or the machine slept. Nothing became older by that, so a jump must not
 * make uploads idle or objects expire. While the process runs, a clock that nobody sets tells how much time passed; the part of the wall
 * clock's way beyond that is a gap, which no age counts. Between two processes nothing measures, so all that time is a gap: a server that
 * was down let nobody go on with an upload. Gaps are on record, so that ages go on counting over restarts. What is observed late is
 * counted late: an age is never longer than the time that passed.
 */
import type { Clock } from '../../kit/clock.ts';
import type { Catalog, ClockGap } from '../engine.ts';

/** Milliseconds by which the two clocks may differ from one look to the next. */
const tolerance = 60_000;
/** Milliseconds after a gap in which somebody may set the clock right before dates of rules are believed. */
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

  /** Looks at the clocks, and puts on record what it finds. Asked before anything is removed by its age. */
  async observe(): Promise<void> {
    const wall = this.#clock.now();
    const steady = this.#clock.elapsed?.();
    // Without a steady clock nothing can be told from a jump.
    if (steady === undefined) return;
    const { seen, gaps } = await this.#catalog.events.clock();
    const before = this.#last;
    this.#last = { wall, steady };
    const length = before ? Math.round(wall - before.wall - (steady - before.steady)) : seen === null ? 0 : wall - seen;
    const gap = length > tolerance ? { ends: wall, length } : null;
    this.#gaps = gap ? [gap, ...gaps] : gaps;
    await this.#catalog.events.pass(wall, gap);
  }

  /** What is older than `age` was last touched before this time of the wall clock. */
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

  /** The time, without gaps of the last day. */
  now(): number {
    const since = this.ago(doubt);
    return this.#gaps.filter(({ ends }) => ends > since).reduce((now, { length }) => now - length, this.#clock.now());
  }
}
