/** Buckets as rows and as records. */
import type { BucketChange } from './facts.ts';
import type { Bucket, BucketId } from './model.ts';
import { Refusal } from '../core/refusal.ts';
import type { Db } from './host.ts';
import type { BucketRow } from './schema.ts';

export async function findBucket(db: Db, name: string): Promise<Bucket | undefined> {
  const row = await db.selectFrom('buckets').selectAll().where('name', '=', name).executeTakeFirst();
  return row && bucketOf(row);
}

/** The bucket that a decision was about; undefined where it is gone, whoever has its name by now. */
export async function findDecided(db: Db, { name, generation }: BucketId): Promise<Bucket | undefined> {
  const found = await findBucket(db, name);
  return found?.generation === generation ? found : undefined;
}

export function bucketOf({ created_at, open, settings, generation, ...row }: BucketRow): Bucket {
  return {
    ...row,
    createdAt: created_at,
    open: open === 1,
    settings: JSON.parse(settings) as Bucket['settings'],
    generation: generation ?? undefined,
  };
}

export function bucketRowOf({ createdAt, open, settings, generation, ...bucket }: Bucket): BucketRow {
  return {
    ...bucket,
    created_at: createdAt,
    open: open ? 1 : 0,
    settings: JSON.stringify(settings),
    generation: generation ?? null,
  };
}

/** @throws Refusal `conflict` where a setting is not as the caller saw it. */
export function demandSettings({ settings }: Bucket, seen: NonNullable<BucketChange['given']>): void {
  for (const [setting, value] of Object.entries(seen)) {
    if ((settings[setting] ?? null) !== value)
      throw new Refusal('conflict', 'the bucket settings changed during the request', { stale: setting });
  }
}
