import { createHash } from 'node:crypto';
import type { Clock } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { Catalog, Reserved } from '../engine.ts';
import { Refusal } from '../refusal.ts';

/** Milliseconds of a lease, during which no other process takes over a request. Renewed while work continues. */
const lease = 60_000;
/** Milliseconds for which outcomes are stored. */
export const requestMemory = 86_400_000;

/** Identifies a request. */
export interface IdempotentRequest {
  /** The caller, so that keys of different callers do not collide. */
  readonly caller: string;
  readonly operation: string;
  readonly word: string;
  /** All parameters of the request. */
  readonly wish: unknown;
}

/** The result, and whether it is that of an earlier request. */
export interface Outcome<T> {
  readonly value: T;
  readonly replayed: boolean;
}

/** Runs requests at most once for an idempotency key. */
export class Idempotency {
  readonly #catalog: Catalog;
  readonly #clock: Clock;

  constructor(catalog: Catalog, clock: Clock) {
    this.#catalog = catalog;
    this.#clock = clock;
  }

  /**
   * Runs `work`, or returns its stored result. Failures are not stored; the request may be repeated.
   *
   * @param work returns a serializable result without secrets. It derives all ids from `seed`: if a process dies,
   *   another resumes with the same seed and `again` set.
   * @throws Refusal `idempotency_conflict`, `idempotency_in_progress`
   */
  async once<T>(asking: IdempotentRequest, work: (seed: string, again: boolean) => Promise<T>): Promise<Outcome<T>> {
    const owner = newId();
    const id = sha256([asking.caller, asking.operation, asking.word]);
    const reserved = await this.#reserve(id, owner, sha256(asking.wish));
    if (reserved.kind === 'done') return { value: JSON.parse(reserved.outcome) as T, replayed: true };
    const renewal = setInterval(() => {
      this.#renew(id, owner).catch(() => undefined);
    }, lease / 3).unref();
    try {
      const value = await this.#work(work, reserved, id, owner);
      await this.#catalog.idempotency.settle(id, owner, JSON.stringify(value));
      return { value, replayed: false };
    } finally {
      clearInterval(renewal);
    }
  }

  async #work<T>(
    work: (seed: string, again: boolean) => Promise<T>,
    { seed, fresh }: Extract<Reserved, { kind: 'yours' }>,
    id: string,
    owner: string,
  ): Promise<T> {
    try {
      return await work(seed, !fresh);
    } catch (error) {
      // A refused first attempt did nothing, so it is forgotten. Otherwise keep the seed for what may have been done.
      const undone = fresh && error instanceof Refusal && error.reason !== 'unavailable';
      await this.#catalog.idempotency.giveUp(id, owner, undone).catch(() => undefined);
      throw error;
    }
  }

  async #reserve(
    id: string,
    owner: string,
    fingerprint: string,
  ): Promise<Extract<Reserved, { kind: 'yours' | 'done' }>> {
    const at = this.#clock.now();
    const reserved = await this.#catalog.idempotency.reserve({
      id,
      fingerprint,
      seed: newId(),
      owner,
      at,
      leaseUntil: at + lease,
      expiresAt: at + requestMemory,
    });
    switch (reserved.kind) {
      case 'other':
        throw new Refusal('idempotency_conflict', 'idempotency key already used');
      case 'busy':
        throw new Refusal('idempotency_in_progress', 'idempotency key already in progress', { retry_after: 1 });
      default:
        return reserved;
    }
  }

  /** A failed renewal is retried in time; if the lease expires, another process resumes with the same seed. */
  async #renew(id: string, owner: string): Promise<void> {
    await this.#catalog.idempotency.renew(id, owner, this.#clock.now() + lease).catch(() => undefined);
  }
}

function sha256(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(ordered(value)) ?? '')
    .digest('hex');
}

/** Sorts the members of all objects. */
function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => [name, ordered(member)]),
  );
}
