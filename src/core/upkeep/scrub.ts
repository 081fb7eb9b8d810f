import type { Clock } from '../../kit/clock.ts';
import type { Engine } from '../engine.ts';
import { inspect, type Inspected, type Integrity } from '../bytes/integrity.ts';
import type { Content } from '../../catalog/model.ts';

export interface ScrubPace {
  /** Milliseconds until a content is read again. */
  readonly every: number;
  /** Maximum bytes read a second. */
  readonly rate: number;
}

export interface Scrubbed {
  readonly checked: number;
  readonly bytes: number;
  readonly rotten: number;
  readonly missing: number;
  /** Contents that could not be read; the next run retries them. */
  readonly unreadable: number;
}

/** Unreadable contents that a run skips; more of them indicate a fault of the disk. */
const mostUnreadable = 200;

/** Reads all contents periodically, to find corruption while another copy may still exist. */
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

  /** Checks all due contents, least recently checked first, until done or aborted. */
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
        // The bytes may have been replaced meanwhile; the next run checks the new ones.
        return (await this.#integrity.condemn(content, state, 'scrub')) ? state : 'good';
    }
  }
}
