/** How many wrong secrets may be shown: by an address, for a namespace, and by an address for a namespace. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../kit/clock.ts';
import { FairQueue } from '../../kit/fair-queue.ts';
import { Throttle } from '../../kit/throttle.ts';
import { Refusal } from '../refusal.ts';

export interface AttemptLimits {
  /** Wrong secrets in a window that one address may show for one namespace. */
  readonly failures: number;
  /** Milliseconds. */
  readonly window: number;
}

export interface Attempt {
  /** The client's address; of IPv6 its /64. */
  readonly from: string;
  /** What the secret would open: a namespace, or the id of a key. */
  readonly subject: string;
  /** Whether people choose the secret, so that somebody may guess it. Others are only kept from being tried without end. */
  readonly guessable: boolean;
}

/** One address may fail for several namespaces: many people may share it. One namespace may be tried from several addresses. */
const perAddress = 5;
const perSubject = 10;
/** Wrong secrets that nobody could guess count as this much of one that somebody might. */
const lightly = 0.1;
/** Names remembered of each kind; about 2 MiB for each. */
const most = 20_000;
const longestName = 128;
/** Attempts of one pair that may wait for others of it. */
const mostWaiting = 100;
/**
 * Milliseconds between two answers to wrong secrets. Such an answer costs as much as other small requests, and most
 * clients send their next attempt when they have it: answered as fast as they come, wrong secrets would take the time
 * of all other requests.
 */
const answerPause = 5;
/** Answers that may wait for their turn. Beyond them, an attempt is answered at once. */
const mostAnswers = 1000;

export class LoginAttempts {
  readonly #clock: Clock;
  readonly #addresses: Throttle;
  readonly #subjects: Throttle;
  readonly #pairs: Throttle;
  /** Pairs of address and subject that proved a secret: what others do to either is not held against them. */
  readonly #proved = new Set<string>();
  /** Attempts whose secret is being looked at, by pair, and those that wait for them. */
  readonly #underWay = new Map<string, UnderWay>();
  /** Answers to wrong secrets, one after the other, in turns by address. */
  readonly #answers = new FairQueue({ width: 1, most: mostAnswers });
  #refused = 0;

  constructor(clock: Clock, { failures, window }: AttemptLimits) {
    this.#clock = clock;
    this.#addresses = new Throttle({ burst: failures * perAddress, window, most });
    this.#subjects = new Throttle({ burst: failures * perSubject, window, most });
    this.#pairs = new Throttle({ burst: failures, window, most });
  }

  /** Attempts refused without a look at what they showed, and names remembered. */
  get figures(): { readonly refused: number; readonly names: number } {
    return {
      refused: this.#refused,
      names: this.#addresses.size + this.#subjects.size + this.#pairs.size + this.#proved.size,
    };
  }

  /**
   * Lets a secret be looked at.
   *
   * @param isWrong whether an error of `proof` says that the secret is wrong; any other does not count.
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

  /** It counts as wrong until `proof` has resolved, so that a thousand at once are no way around the limit. */
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
    this.#demand(charges, lightly);
    try {
      const proved = await proof();
      this.#remember(pairOf(attempt));
      return proved;
    } catch (error) {
      if (isWrong(error)) this.#charge(charges, lightly);
      throw error;
    }
  }

  /**
   * Charges an attempt as soon as its limits allow it. It waits for attempts under way of the same pair where only they
   * are in the way: they may prove to be right.
   */
  async #enter(attempt: Attempt): Promise<{ readonly charges: readonly Charge[]; readonly underWay: UnderWay }> {
    const pair = pairOf(attempt);
    for (;;) {
      const charges = this.#chargesOf(attempt);
      const underWay = this.#underWay.get(pair) ?? { count: 0, waiting: [] };
      if (this.#waitOf(charges, 1) === 0) {
        // Nothing is awaited between the look at the limits and the charge: no other attempt comes in between.
        this.#charge(charges, 1);
        underWay.count += 1;
        this.#underWay.set(pair, underWay);
        return { charges, underWay };
      }
      if (underWay.count === 0 || underWay.waiting.length >= mostWaiting) this.#demand(charges, 1);
      else await new Promise<void>((resolve) => underWay.waiting.push(resolve));
    }
  }

  /** Counts further work that an attempt costs, as if it were more attempts; a negative count takes that back. */
  burden(attempt: Attempt, times: number): void {
    this.#charge(this.#chargesOf(attempt), times);
  }

  /**
   * Counts a credential that was found to be wrong and says of nobody that it is theirs, as a token not made here.
   *
   * @throws Refusal `throttled` in place of `error` where there were too many.
   */
  async wrong(from: string, error: unknown): Promise<never> {
    const charges: Charge[] = [[this.#addresses, from]];
    const wait = this.#waitOf(charges, lightly);
    if (wait === 0) this.#charge(charges, lightly);
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
    // No stranger can guess the others, and none may lock their owners out by trying.
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

  /** Waits until it is the address's turn to be told that a secret is wrong. */
  #turnOf(from: string): Promise<void> {
    return new Promise((resolve) => {
      const answer = (): Promise<void> => {
        resolve();
        return sleep(answerPause);
      };
      // The queue refuses where it is full: that answer leaves at once.
      this.#answers.through(from, answer).catch(resolve);
    });
  }

  /** A refusal of a caller who is to come back in `wait` milliseconds. */
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
