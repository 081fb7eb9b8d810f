/**
 * Rules of object lock. The catalog applies them inside the transaction that ends or changes a version, so that they
 * hold for every face and task.
 */
import type { Bucket, Retention } from './model.ts';
import { Refusal } from '../core/refusal.ts';

const day = 86_400_000;

/** The default retention of a new version. */
export function defaultRetention({ lock }: Pick<Bucket, 'lock'>, at: number): Retention | null {
  const { mode, days, years = 0 } = lock ?? {};
  return mode === undefined ? null : { mode, until: at + (days ?? years * 365) * day };
}

/** Whether a change weakens an active retention: shorter, removed, or another mode. */
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

/** Whether a refusal comes from object lock. */
export function isLockedRefusal(error: unknown): boolean {
  return error instanceof Refusal && error.reason === 'locked';
}
