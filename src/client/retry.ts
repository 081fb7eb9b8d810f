/** Exponential back-off with jitter. Progress resets the failure count. */
import { StowageError, abortedError } from './error.ts';

export interface Patience {
  /** Consecutive failures without progress before giving up. */
  readonly attempts: number;
  /** Milliseconds of the first delay, before jitter. */
  readonly first: number;
  /** Milliseconds of the longest delay. */
  readonly most: number;
}

/** For single requests: about two seconds in all. */
export const callPatience: Patience = { attempts: 4, first: 100, most: 2_000 };
/** For transfers, which must survive a server restart: about two minutes without progress. */
export const transferPatience: Patience = { attempts: 13, first: 100, most: 30_000 };

/** Milliseconds: the longest Retry-After that is honoured. */
const longestAsked = 5 * 60_000;
/** Tries when the server is full; space may never become free. */
const attemptsWhenFull = 3;

export class Backoff {
  readonly #patience: Patience;
  readonly #random: () => number;
  readonly #sleep: typeof sleep;
  #failures = 0;

  constructor(patience: Patience, random: () => number = Math.random, wait: typeof sleep = sleep) {
    this.#patience = patience;
    this.#random = random;
    this.#sleep = wait;
  }

  /** Failures since the last progress. */
  get failures(): number {
    return this.#failures;
  }

  /** Resets the count after progress. */
  reset(): void {
    this.#failures = 0;
  }

  /**
   * Waits until the next try is due.
   *
   * @throws the error itself if it is not retryable or the tries are used up
   */
  async wait(error: unknown, signal?: AbortSignal): Promise<void> {
    if (!(error instanceof StowageError) || !error.retryable) throw error;
    this.#failures += 1;
    const most = error.code === 'full' ? Math.min(attemptsWhenFull, this.#patience.attempts) : this.#patience.attempts;
    if (this.#failures >= most) throw error;
    await this.#sleep(this.#delay(error.retryAfter), signal);
  }

  #delay(asked: number | undefined): number {
    const ceiling = Math.min(this.#patience.most, this.#patience.first * 2 ** (this.#failures - 1));
    const own = ceiling * (0.5 + this.#random() / 2);
    return asked === undefined ? own : Math.max(own, Math.min(asked, longestAsked));
  }
}

/** @throws StowageError aborted */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortedError(signal));
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(abortedError(signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Milliseconds of a `Retry-After` header, as seconds or a date; undefined if it is neither. */
export function parseRetryAfter(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
