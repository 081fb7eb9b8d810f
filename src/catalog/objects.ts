/** Rows of objects: one for each version of an artifact in a bucket, and one for each delete marker. */
import { sql, type Expression, type ExpressionBuilder, type SqlBool } from 'kysely';
import type { ObjectFacts, ObjectsPage, Unpublished, Retirement } from './facts.ts';
import { unmet, type ObjectConditions, type StoredObject } from './model.ts';
import { successor } from '../kit/successor.ts';
import type { Db } from './host.ts';
import { lockColumns, lockOfRow } from './object-locks.ts';
import type { Tables } from './schema.ts';

/** Object rows joined with their versions. */
function selectObjects(db: Db, bucket: string) {
  return db
    .selectFrom('objects')
    .innerJoin('buckets', 'buckets.name', 'objects.bucket')
    .leftJoin('versions', (join) =>
      join.onRef('versions.artifact', '=', 'objects.artifact').onRef('versions.idx', '=', 'objects.idx'),
    )
    .select([
      'objects.artifact',
      'objects.idx',
      'objects.bucket',
      'objects.key',
      'objects.version_id',
      'objects.current',
      'objects.marker',
    ])
    .select([
      'objects.etag',
      'objects.about',
      'objects.created_at',
      'versions.blob',
      'versions.size',
      'buckets.namespace',
    ])
    .select(['objects.lock_mode', 'objects.lock_until', 'objects.held'])
    .where('objects.bucket', '=', bucket);
}

/** An object row with blob and size of its version. */
export interface Found {
  readonly artifact: string;
  readonly idx: number;
  readonly bucket: string;
  readonly key: string;
  readonly version_id: string | null;
  readonly current: number;
  readonly marker: number;
  readonly etag: string;
  readonly about: string;
  readonly created_at: number;
  readonly blob: string | null;
  readonly size: number | null;
  readonly lock_mode: 'GOVERNANCE' | 'COMPLIANCE' | null;
  readonly lock_until: number | null;
  readonly held: 0 | 1 | null;
  readonly namespace: string;
}

export function objectOf(row: Found): StoredObject {
  return {
    artifact: row.artifact,
    index: row.idx,
    bucket: row.bucket,
    namespace: row.namespace,
    key: row.key,
    versionId: row.version_id,
    current: row.current === 1,
    content:
      row.marker === 1
        ? null
        : { blob: row.blob ?? '', size: row.size ?? 0, etag: row.etag, about: row.about, ...lockOfRow(row) },
    createdAt: row.created_at,
  };
}

export async function findObject(
  db: Db,
  bucket: string,
  key: string,
  version?: { readonly id: string | null },
): Promise<StoredObject | undefined> {
  let query = selectObjects(db, bucket).where('objects.key', '=', key);
  if (!version) query = query.where('objects.current', '=', 1);
  else if (version.id === null) query = query.where('objects.version_id', 'is', null);
  else query = query.where('objects.version_id', '=', version.id);
  const row = await query.executeTakeFirst();
  return row && objectOf(row);
}

/** Newest versions without delete markers, after a key. */
export async function listObjects(
  db: Db,
  bucket: string,
  { prefix, after, limit }: ObjectsPage,
): Promise<StoredObject[]> {
  let query = selectObjects(db, bucket)
    .where('objects.current', '=', sql.lit(1))
    .where('objects.marker', '=', sql.lit(0));
  if (after !== null) query = query.where('objects.key', '>', after);
  query = query.where(beginning(prefix));
  return (await query.orderBy('objects.key').limit(limit).execute()).map(objectOf);
}

/** Every version and marker, newest first within a key. */
export async function listVersions(
  db: Db,
  bucket: string,
  { prefix, after, limit }: ObjectsPage,
  behind: { readonly key: string; readonly index: number } | null,
): Promise<StoredObject[]> {
  let query = selectObjects(db, bucket);
  if (behind)
    query = query.where((eb) =>
      eb.or([
        eb('objects.key', '>', behind.key),
        eb.and([eb('objects.key', '=', behind.key), eb('objects.idx', '<', behind.index)]),
      ]),
    );
  else if (after !== null) query = query.where('objects.key', '>', after);
  query = query.where(beginning(prefix));
  return (await query.orderBy('objects.key').orderBy('objects.idx', 'desc').limit(limit).execute()).map(objectOf);
}

/** Keys with a prefix are a contiguous range. */
function beginning(prefix: string) {
  const end = successor(prefix);
  return (eb: ExpressionBuilder<Tables, 'objects'>): Expression<SqlBool> =>
    eb.and([eb('objects.key', '>=', prefix), ...(end === undefined ? [] : [eb('objects.key', '<', end)])]);
}

/** The unmet condition of a put; undefined if it may proceed. */
export async function refuseObject(db: Db, { bucket, key, conditions }: ObjectFacts): Promise<Unpublished | undefined> {
  return unmet(conditions, await findObject(db, bucket.name, key));
}

/** Why a deletion without a version id does nothing; undefined if it may proceed. */
export function refuseRetirement(
  head: StoredObject | undefined,
  { conditions, only }: Retirement,
): 'absent' | 'condition' | undefined {
  if (only && !isStill(head, only)) return 'absent';
  // Conditions on a missing object cannot hold, so nothing is deleted and no marker is made.
  if (!head) return Object.values(conditions).some((condition) => condition !== undefined) ? 'absent' : undefined;
  const match = head.content ? conditions.match : unlessAny(conditions.match);
  return unmet({ ...conditions, match }, head) && 'condition';
}

/** Whether a version or marker, its metadata and its rank are unchanged since the caller read it. */
export function isStill(now: StoredObject | undefined, { artifact, index, current, content }: StoredObject): boolean {
  return (
    now?.artifact === artifact &&
    now.index === index &&
    now.current === current &&
    now.content?.about === content?.about
  );
}

/** `*` also matches a delete marker. */
function unlessAny(match: ObjectConditions['match']): ObjectConditions['match'] {
  return match?.includes('*') ? undefined : match;
}

/** The number of the next version or marker of a key. */
export async function nextIndex(db: Db, bucket: string, key: string, lastIndex: number): Promise<number> {
  const row = await db
    .selectFrom('objects')
    .select('idx')
    .where('bucket', '=', bucket)
    .where('key', '=', key)
    .orderBy('idx', 'desc')
    .limit(1)
    .executeTakeFirst();
  return Math.max(row?.idx ?? 0, lastIndex) + 1;
}

/** Inserts the newest version or marker of a key. */
export async function insertObject(db: Db, row: Omit<StoredObject, 'current' | 'namespace'>): Promise<void> {
  await db
    .updateTable('objects')
    .set({ current: 0 })
    .where('bucket', '=', row.bucket)
    .where('key', '=', row.key)
    .where('current', '=', 1)
    .execute();
  await db
    .insertInto('objects')
    .values({
      bucket: row.bucket,
      key: row.key,
      idx: row.index,
      artifact: row.artifact,
      version_id: row.versionId,
      current: 1,
      marker: row.content ? 0 : 1,
      etag: row.content?.etag ?? '',
      about: row.content?.about ?? '',
      created_at: row.createdAt,
      ...lockColumns(row.content ?? { retention: null, held: null }),
    })
    .execute();
}

/** Deletes the rows of ended versions and makes the newest remaining one current. */
export async function forgetObjects(
  db: Db,
  { artifact, first, last }: { readonly artifact: string; readonly first: number; readonly last: number },
): Promise<void> {
  const gone = await db
    .deleteFrom('objects')
    .where('artifact', '=', artifact)
    .where('idx', '>=', first)
    .where('idx', '<=', last)
    .where('marker', '=', 0)
    .returning(['bucket', 'key'])
    .execute();
  for (const { bucket, key } of gone.slice(0, 1)) await promote(db, bucket, key);
}

/** Deletes all object rows of deleted artifacts. */
export async function forgetAllObjects(
  db: Db,
  which: { readonly uuid: string } | { readonly namespace: string },
): Promise<void> {
  const query = db.deleteFrom('objects');
  await (
    'uuid' in which
      ? query.where('artifact', '=', which.uuid)
      : query.where('bucket', 'in', (eb) =>
          eb.selectFrom('buckets').select('name').where('namespace', '=', which.namespace),
        )
  ).execute();
}

/** Makes the newest row of a key current. */
export async function promote(db: Db, bucket: string, key: string): Promise<void> {
  const newest = await db
    .selectFrom('objects')
    .select(['idx', 'current'])
    .where('bucket', '=', bucket)
    .where('key', '=', key)
    .orderBy('idx', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (newest?.current === 0)
    await db
      .updateTable('objects')
      .set({ current: 1 })
      .where('bucket', '=', bucket)
      .where('key', '=', key)
      .where('idx', '=', newest.idx)
      .execute();
}
