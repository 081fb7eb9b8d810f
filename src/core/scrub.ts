import type { Clock } from '../kit/clock.ts';
import type { Engine } from './engine.ts';
import type { Content, ContentState, Event } from './model.ts';
import { Refusal } from './refusal.ts';

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
}

/** Reads bytes again that nobody asked for, to find rot while another copy may still exist somewhere. */
export class Scrub {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #pace: ScrubPace;

  constructor(engine: Engine, clock: Clock, pace: ScrubPace) {
    this.#engine = engine;
    this.#clock = clock;
    this.#pace = pace;
  }

  /** Checks all bytes that are due, oldest check first, until done or told to stop. */
  async run(signal?: AbortSignal): Promise<Scrubbed> {
    const total = { checked: 0, bytes: 0, rotten: 0, missing: 0 };
    const before = this.#clock.now() - this.#pace.every;
    for (;;) {
      const due = await this.#engine.catalog.contents.toScrub(before, 50);
      if (due.length === 0) return total;
      for (const content of due) {
        if (signal?.aborted) return total;
        const state = await this.#check(content, signal);
        if (state === undefined) return total;
        total.checked += 1;
        total.bytes += content.size;
        if (state !== 'good') total[state] += 1;
      }
    }
  }

  async #check(content: Content, signal: AbortSignal | undefined): Promise<ContentState | undefined> {
    const state = await inspect(this.#engine, content, { readData: true, rate: this.#pace.rate, signal });
    if (state === undefined) return undefined;
    await this.#engine.catalog.contents.mark(content.sha512, content.address, state, this.#clock.now(), this.#event(content, state));
    if (state === 'rotten') await this.#engine.bytes.quarantine(content.address);
    return state;
  }

  #event(content: Content, state: ContentState): Event | null {
    if (state === 'good') return null;
    const message = state === 'rotten' ? 'bytes changed on disk and were put aside' : 'bytes are gone from the disk';
    return { subject: 'blob', id: content.sha512, at: this.#clock.now(), type: 'status', message, duration: null, extra: { sha512: content.sha512 } };
  }
}

/**
 * What became of bytes on disk; undefined when told to stop first.
 *
 * @param how `readData` compares every byte's digest; without it only presence and length are looked at.
 */
export async function inspect(
  engine: Engine, content: Content, how: { readData: boolean; rate?: number; signal?: AbortSignal | undefined },
): Promise<ContentState | undefined> {
  const size = await engine.bytes.stat(content.address);
  if (size === undefined) return 'missing';
  if (size !== content.size) return 'rotten';
  if (!how.readData) return 'good';
  try {
    const [digest] = await engine.bytes.digests(content.address, ['sha512'], how.rate, how.signal);
    return digest!.hex === content.sha512 ? 'good' : 'rotten';
  } catch (error) {
    if (how.signal?.aborted) return undefined;
    if (error instanceof Refusal && error.reason === 'lost') return 'rotten';
    throw error;
  }
}
