import type { Clock } from '../../kit/clock.ts';
import type { Engine } from '../engine.ts';
import { inspect, type Inspected, type Integrity } from '../bytes/integrity.ts';
import type { Content } from '../../catalog/model.ts';

export interface ScrubPace {
  /** Milliseconds after which a blob's bytes are read again. */
  readonly every: number;
  /** Bytes read a second at most. */
  readonly rate: number;
}

export interface Scrubbed {
  readonly checked: number;
  readonly bytes: number;
  readonly rotten: number;
  readonly missing: number;
  /** Not read, for a reason that tells nothing of the bytes; the next run tries again. */
  readonly unreadable: number;
}

/** Contents that one run passes over because they cannot be read: with more of them, it is not the bytes. */
const mostUnreadable = 200;

/** Reads bytes again that nobody asked for, to find rot while another copy may still exist somewhere. */
export class Scrub {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #integrity: Integrity;
  readonly #pace: ScrubPace;

  constructor(engine: Engine, clock: Clock, integrity: Integrity, pace: ScrubPace) {
    this.#engine = engine;
    this.#integrity = integrity;
    this.#clock = clock;
    this.#pace = pace;
  }

  /** Checks all bytes that are due, oldest check first, until done or told to stop. */
  async run(signal?: AbortSignal): Promise<Scrubbed> {
    const total = { checked: 0, bytes: 0, rotten: 0, missing: 0, unreadable: 0 };
    const passed = new Set<string>();
    const before = this.#clock.now() - this.#pace.every;
    while (passed.size < mostUnreadable) {
      const due = (await this.#engine.catalog.contents.toScrub(before, 50 + passed.size)).filter(
        ({ sha512 }) => !passed.has(sha512),
      );
      if (due.length === 0) break;
      for (const content of due) {
        if (signal?.aborted) return total;
        const state = await this.#check(content, signal);
        if (state === undefined) return total;
        if (state === 'unreadable') passed.add(content.sha512);
        else total.checked += 1;
        if (state !== 'unreadable') total.bytes += content.size;
        if (state !== 'good') total[state] += 1;
      }
    }
    return total;
  }

  async #check(content: Content, signal: AbortSignal | undefined): Promise<Inspected | undefined> {
    const state = await inspect(this.#engine, content, { readData: true, rate: this.#pace.rate, signal });
    switch (state) {
      case undefined:
        return undefined;
      case 'unreadable':
        this.#integrity.unreadable += 1;
        return state;
      case 'good':
        await this.#engine.catalog.contents.mark(content.sha512, content.address, 'good', this.#clock.now(), null);
        return state;
      default:
        if (content.state !== 'good') {
          await this.#engine.catalog.contents.mark(
            content.sha512,
            content.address,
            content.state,
            this.#clock.now(),
            null,
          );
          return content.state;
        }
        // Others may have taken their place meanwhile: the next look finds those.
        return (await this.#integrity.condemn(content, state, 'scrub')) ? state : 'good';
    }
  }
}
