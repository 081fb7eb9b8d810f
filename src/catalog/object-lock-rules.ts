/**
 * Object lock: what keeps a version of an object from ending. The catalog asks these rules inside the transaction that would end or
 * change the version, so that every face and every task of upkeep obeys them.
 */
import type { Bucket, Retention } from './model.ts';
import { Refusal } from '../core/refusal.ts';

/** The bucket's setting: object lock is on; new versions get a retention where there is a mode. */
export interface LockRule {
  readonly mode?: Retention['mode'];
  readonly days?: number;
  readonly years?: number;
}

const day = 86_400_000;

/** What a bucket sets for object lock; undefined where it is off. Once on, it stays on. */
export function lockRuleOf({ settings }: Pick<Bucket, 'settings'>): LockRule | undefined {
  const text = settings['lock'];
  return text === undefined ? undefined : (JSON.parse(text) as LockRule);
}

/** The retention that a new version gets where nobody asks for another. */
export function defaultRetention(bucket: Pick<Bucket, 'settings'>, at: number): Retention | null {
  const { mode, days, years = 0 } = lockRuleOf(bucket) ?? {};
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
  return new Refusal('forbidden', 'object lock protects a version that this request would delete or unlock', {
    ...details,
    locked: 'yes',
  });
}

/** Whether a refusal is one of object lock. */
export function isLockedRefusal(error: unknown): boolean {
  return error instanceof Refusal && error.details['locked'] !== undefined;
}
