/** Limits of wrong secrets: by address, by subject, and by pair of both. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../kit/clock.ts';
import { FairQueue } from '../../kit/fair-queue.ts';
import { Throttle } from '../../kit/throttle.ts';
import { Refusal } from '../refusal.ts';

export interface AttemptLimits {
  /** Wrong secrets in a window by one address for one namespace. */
  readonly failures: number;
  /** Milliseconds. */
  readonly window: number;
}

export interface Attempt {
  /** The client's address; for IPv6 its /64. */
  readonly from: string;
  /** What the secret is for: a namespace, or a key id. */
  readonly subject: string;
  /** Whether people choose the secret, so that it could be guessed. Others are only limited to bound the load. */
  readonly guessable: boolean;
}

/** Many people may share an address, and a namespace may be tried from several addresses. */
const perAddress = 5;
const perSubject = 10;
/** Weight of a wrong secret that cannot be guessed. */
const unguessableWeight = 0.1;
/** Names of each kind in memory; about 2 MiB each. */
const most = 20_000;
const longestName = 128;
/** Attempts of a pair that may wait for others. */
const mostWaiting = 100;
/**
 * Milliseconds between two responses to wrong secrets. They cost as much as other small requests, and clients send the
 * next attempt when they have the response: without a pause, wrong secrets would take the time of all other requests.
 */
const answerPause = 5;
/** Responses that may wait; beyond that they are sent at once. */
const mostAnswers = 1000;

export class LoginAttempts {
  readonly #clock: Clock;
  readonly #addresses: Throttle;
  readonly #subjects: Throttle;
  readonly #pairs: Throttle;
  /** Pairs that have proved a secret; failures of others do not throttle them. */
  readonly #proved = new Set<string>();
  /** Running attempts by pair, and those that wait for them. */
  readonly #underWay = new Map<string, UnderWay>();
  /** Delays responses to wrong secrets, in turns by address. */
  readonly #answers = new FairQueue({ width: 1, most: mostAnswers });
  #refused = 0;

  constructor(clock: Clock, { failures, window }: AttemptLimits) {
    this.#clock = clock;
    this.#addresses = new Throttle({ burst: failures * perAddress, window, most });
    this.#subjects = new Throttle({ burst: failures * perSubject, window, most });
    this.#pairs = new Throttle({ burst: failures, window, most });
  }

  /** Attempts refused without a check, and names in memory. */
  get figures(): { readonly refused: number; readonly names: number } {
    return {
      refused: this.#refused,
      names: this.#addresses.size + this.#subjects.size + this.#pairs.size + this.#proved.size,
    };
  }

  /**
   * Checks a secret within the limits.
   *
   * @param isWrong whether an error of `proof` means a wrong secret; other errors do not count
   * @throws Refusal `throttled`
   */
  async prove<T>(attempt: Attempt, proof: () => Promise<T>, isWrong: IsWrong = saysWrong): Promise<T> {
    try {
      if (attempt.guessable) return await this.#proveOneOfFew(attempt, proof, isWrong);
      return await this.#proveOneOfMany(attempt, proof, isWrong);
    } catch (error) {
      if (isWrong(error) || isThrottled(error)) await this.#turnOf(attempt.from);
      throw error;
    }
  }

  /** Counts as wrong until `proof` resolves, so that concurrent attempts cannot exceed the limit. */
  async #proveOneOfFew<T>(attempt: Attempt, proof: () => Promise<T>, isWrong: IsWrong): Promise<T> {
    const pair = pairOf(attempt);
    const { charges, underWay } = await this.#enter(attempt);
    try {
      const proved = await proof();
      this.#charge(charges, -1);
      this.#remember(pair);
      return proved;
    } catch (error) {
      if (!isWrong(error)) this.#charge(charges, -1);
      throw error;
    } finally {
      underWay.count -= 1;
      if (underWay.count === 0) this.#underWay.delete(pair);
      for (const wake of underWay.waiting.splice(0)) wake();
    }
  }

  async #proveOneOfMany<T>(attempt: Attempt, proof: () => Promise<T>, isWrong: IsWrong): Promise<T> {
    const charges = this.#chargesOf(attempt);
    this.#demand(charges, unguessableWeight);
    try {
      const proved = await proof();
      this.#remember(pairOf(attempt));
      return proved;
    } catch (error) {
      if (isWrong(error)) this.#charge(charges, unguessableWeight);
      throw error;
    }
  }

  /**
   * Charges an attempt once its limits allow it. If only running attempts of the same pair block it, it waits for them,
   * because they may succeed.
   */
  async #enter(attempt: Attempt): Promise<{ readonly charges: readonly Charge[]; readonly underWay: UnderWay }> {
    const pair = pairOf(attempt);
    for (;;) {
      const charges = this.#chargesOf(attempt);
      const underWay = this.#underWay.get(pair) ?? { count: 0, waiting: [] };
      if (this.#waitOf(charges, 1) === 0) {
        // No await between check and charge, so that no other attempt runs in between.
        this.#charge(charges, 1);
        underWay.count += 1;
        this.#underWay.set(pair, underWay);
        return { charges, underWay };
      }
      if (underWay.count === 0 || underWay.waiting.length >= mostWaiting) this.#demand(charges, 1);
      else await new Promise<void>((resolve) => underWay.waiting.push(resolve));
    }
  }

  /** Charges additional work of an attempt like more attempts; a negative count reverts it. */
  chargeMore(attempt: Attempt, times: number): void {
    this.#charge(this.#chargesOf(attempt), times);
  }

  /**
   * Counts a wrong credential without a subject, such as a token of another server.
   *
   * @throws Refusal `throttled` instead of `error` after too many
   */
  async wrong(from: string, error: unknown): Promise<never> {
    const charges: Charge[] = [[this.#addresses, from]];
    const wait = this.#waitOf(charges, unguessableWeight);
    if (wait === 0) this.#charge(charges, unguessableWeight);
    await this.#turnOf(from);
    throw wait > 0 ? this.refusal(wait) : error;
  }

  #chargesOf(attempt: Attempt): Charge[] {
    const pair = pairOf(attempt);
    if (this.#proved.has(pair)) return [[this.#pairs, pair]];
    const charges: Charge[] = [
      [this.#addresses, attempt.from],
      [this.#pairs, pair],
    ];
    // The others cannot be guessed, so strangers must not lock out their owners.
    if (attempt.guessable) charges.push([this.#subjects, attempt.subject.slice(0, longestName)]);
    return charges;
  }

  #charge(charges: readonly Charge[], times: number): void {
    for (const [throttle, name] of charges) {
      if (times > 0) throttle.take(name, this.#clock.now(), times);
      else throttle.give(name, this.#clock.now(), -times);
    }
  }

  #waitOf(charges: readonly Charge[], times: number): number {
    return Math.max(...charges.map(([throttle, name]) => throttle.wait(name, this.#clock.now(), times)));
  }

  #demand(charges: readonly Charge[], times: number): void {
    const wait = this.#waitOf(charges, times);
    if (wait > 0) throw this.refusal(wait);
  }

  /** Waits until the address may get its response to a wrong secret. */
  #turnOf(from: string): Promise<void> {
    return new Promise((resolve) => {
      const answer = (): Promise<void> => {
        resolve();
        return sleep(answerPause);
      };
      // If the queue is full, the response is sent at once.
      this.#answers.through(from, answer).catch(resolve);
    });
  }

  /** The refusal for a caller that must wait `wait` milliseconds. */
  refusal(wait: number): Refusal {
    this.#refused += 1;
    return new Refusal('throttled', 'too many wrong logins; try again later', {
      retry_after: Math.max(1, Math.ceil(wait / 1000)),
    });
  }

  #remember(pair: string): void {
    this.#proved.delete(pair);
    if (this.#proved.size >= most)
      for (const oldest of this.#proved) {
        this.#proved.delete(oldest);
        break;
      }
    this.#proved.add(pair);
  }
}

interface UnderWay {
  count: number;
  readonly waiting: (() => void)[];
}

type IsWrong = (error: unknown) => boolean;
type Charge = readonly [throttle: Throttle, name: string];

function pairOf({ from, subject }: Attempt): string {
  return `${from} ${subject.slice(0, longestName)}`;
}

function isThrottled(error: unknown): boolean {
  return error instanceof Refusal && error.reason === 'throttled';
}

function saysWrong(error: unknown): boolean {
  return error instanceof Refusal && ['unauthenticated', 'wrong_secret', 'not_found'].includes(error.reason);
}
