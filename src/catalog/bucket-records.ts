/** Buckets as rows and as records. What is set on a bucket is one column of JSON; members that the core knows are typed in the record. */
import type { Algorithm } from '../kit/digest.ts';
import type { BucketChange } from './facts.ts';
import type { Bucket, BucketId, LockRule, PublicAccess } from './model.ts';
import { Refusal } from '../core/refusal.ts';
import type { Db } from './host.ts';
import type { BucketRow } from './schema.ts';

/** What the core knows of the settings. */
type Known = Pick<Bucket, 'lock' | 'publicAccess' | 'digests'>;

export async function findBucket(db: Db, name: string): Promise<Bucket | undefined> {
  const row = await db.selectFrom('buckets').selectAll().where('name', '=', name).executeTakeFirst();
  return row && bucketOf(row);
}

/** The bucket that a decision was about; undefined where it is gone, whoever has its name by now. */
export async function findDecided(db: Db, { name, generation }: BucketId): Promise<Bucket | undefined> {
  const found = await findBucket(db, name);
  return found?.generation === generation ? found : undefined;
}

/** @throws Refusal `no_bucket` where that bucket is gone. */
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

/** What is known of the settings as members of the column; null for those that are taken off, none for those that are not named. */
export function textsOf(known: { readonly [name in keyof Known]: Known[name] | null }): Record<string, string | null> {
  const texts = Object.entries(known).flatMap(([name, value]) => {
    if (value === undefined) return [];
    return [[name, value && (Array.isArray(value) ? value.join(' ') : JSON.stringify(value))] as const];
  });
  return Object.fromEntries(texts);
}

/** @throws Refusal `bucket_changed` where a setting is not as the caller saw it. */
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
    // It blocks everything.
  }
  const blocks = (name: keyof PublicAccess): boolean => kept[name] !== false;
  return {
    BlockPublicAcls: blocks('BlockPublicAcls'),
    IgnorePublicAcls: blocks('IgnorePublicAcls'),
    BlockPublicPolicy: blocks('BlockPublicPolicy'),
    RestrictPublicBuckets: blocks('RestrictPublicBuckets'),
  };
}
