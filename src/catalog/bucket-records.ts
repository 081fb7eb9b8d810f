/** Converts buckets between rows and records. Settings are one JSON column; those that the core uses are typed. */
import type { Algorithm } from '../kit/digest.ts';
import type { BucketChange } from './facts.ts';
import type { Bucket, BucketId, LockRule, PublicAccess } from './model.ts';
import { Refusal } from '../core/refusal.ts';
import type { Db } from './host.ts';
import type { BucketRow } from './schema.ts';

/** The settings that the core uses. */
type Known = Pick<Bucket, 'lock' | 'publicAccess' | 'digests'>;

export async function findBucket(db: Db, name: string): Promise<Bucket | undefined> {
  const row = await db.selectFrom('buckets').selectAll().where('name', '=', name).executeTakeFirst();
  return row && bucketOf(row);
}

/** The bucket of a decision; undefined if it was removed, even if another has its name now. */
export async function findDecided(db: Db, { name, generation }: BucketId): Promise<Bucket | undefined> {
  const found = await findBucket(db, name);
  return found?.generation === generation ? found : undefined;
}

/** @throws Refusal `no_bucket` if that bucket was removed */
export async function demandDecided(db: Db, bucket: BucketId): Promise<void> {
  if (!(await findDecided(db, bucket))) throw noBucket();
}

export function noBucket(): Refusal {
  return new Refusal('no_bucket', 'bucket not found');
}

export function bucketOf({ created_at, open, settings: text, generation, ...row }: BucketRow): Bucket {
  const { lock, publicAccess, digests, ...settings } = JSON.parse(text) as Partial<Record<string, string>>;
  return {
    ...row,
    createdAt: created_at,
    open: open === 1,
    ...(lock !== undefined && { lock: JSON.parse(lock) as LockRule }),
    ...(publicAccess !== undefined && { publicAccess: publicAccessOf(publicAccess) }),
    ...(digests !== undefined && { digests: digests.split(' ') as Algorithm[] }),
    settings: settings as Bucket['settings'],
    generation: generation ?? undefined,
  };
}

export function bucketRowOf(bucket: Bucket): BucketRow {
  const { createdAt, open, settings, generation, lock, publicAccess, digests, ...rest } = bucket;
  return {
    ...rest,
    created_at: createdAt,
    open: open ? 1 : 0,
    settings: JSON.stringify({ ...settings, ...textsOf({ lock, publicAccess, digests }) }),
    generation: generation ?? null,
  };
}

/** Typed settings as members of the JSON column; null removes a setting, absent ones stay unchanged. */
export function textsOf(known: { readonly [name in keyof Known]: Known[name] | null }): Record<string, string | null> {
  const texts = Object.entries(known).flatMap(([name, value]) => {
    if (value === undefined) return [];
    return [[name, value && (Array.isArray(value) ? value.join(' ') : JSON.stringify(value))] as const];
  });
  return Object.fromEntries(texts);
}

/** @throws Refusal `bucket_changed` if a setting differs from what the caller read */
export function demandSettings(
  { settings, publicAccess }: Bucket,
  { publicAccess: block, ...seen }: NonNullable<BucketChange['given']>,
): void {
  const now = { ...settings, ...textsOf({ publicAccess }) };
  for (const [setting, value] of Object.entries({ ...seen, ...textsOf({ publicAccess: block }) })) {
    if ((now[setting] ?? null) !== value)
      throw new Refusal('bucket_changed', 'the bucket settings changed during the request');
  }
}

/** An unreadable block counts as blocking everything. */
function publicAccessOf(text: string): PublicAccess {
  let kept: Partial<PublicAccess> = {};
  try {
    kept = (JSON.parse(text) ?? {}) as Partial<PublicAccess>;
  } catch {
    // An unreadable block counts as blocking everything.
  }
  const blocks = (name: keyof PublicAccess): boolean => kept[name] !== false;
  return {
    BlockPublicAcls: blocks('BlockPublicAcls'),
    IgnorePublicAcls: blocks('IgnorePublicAcls'),
    BlockPublicPolicy: blocks('BlockPublicPolicy'),
    RestrictPublicBuckets: blocks('RestrictPublicBuckets'),
  };
}
