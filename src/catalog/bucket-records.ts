/** Buckets as rows and as records. */
import type { Bucket } from './model.ts';
import type { Db } from './host.ts';
import type { BucketRow } from './schema.ts';

export async function findBucket(db: Db, name: string): Promise<Bucket | undefined> {
  const row = await db.selectFrom('buckets').selectAll().where('name', '=', name).executeTakeFirst();
  return row && bucketOf(row);
}

export function bucketOf({ created_at, open, settings, ...row }: BucketRow): Bucket {
  return { ...row, createdAt: created_at, open: open === 1, settings: JSON.parse(settings) as Bucket['settings'] };
}

export function bucketRowOf({ createdAt, open, settings, ...bucket }: Bucket): BucketRow {
  return { ...bucket, created_at: createdAt, open: open ? 1 : 0, settings: JSON.stringify(settings) };
}
