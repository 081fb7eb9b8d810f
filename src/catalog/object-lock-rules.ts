/**
 * Object lock: what keeps a version of an object from ending. The catalog asks these rules inside the transaction that would end or
 * change the version, so that every face and every task of upkeep obeys them.
 */
import type { Bucket, Retention } from './model.ts';
import { Refusal } from '../core/refusal.ts';

const day = 86_400_000;

/** The retention that a new version gets where nobody asks for another. */
export function defaultRetention({ lock }: Pick<Bucket, 'lock'>, at: number): Retention | null {
  const { mode, days, years = 0 } = lock ?? {};
  return mode === undefined ? null : { mode, until: at + (days ?? years * 365) * day };
}

/** Whether a change of an active retention would make it weaker: shorter, gone, or of another mode than COMPLIANCE. */
export function weakens(
  before: Retention | null,
  after: Retention | null,
  { at, bypass }: { readonly at: number; readonly bypass: boolean },
): boolean {
  if (!before || before.until <= at) return false;
  if (before.mode === 'GOVERNANCE' && bypass) return false;
  return !after || after.until < before.until || after.mode !== before.mode;
}

export function locked(details: Refusal['details'] = {}): Refusal {
  return new Refusal('locked', 'object lock protects a version that this request would delete or unlock', details);
}

/** Whether a refusal is one of object lock. */
export function isLockedRefusal(error: unknown): boolean {
  return error instanceof Refusal && error.reason === 'locked';
}
