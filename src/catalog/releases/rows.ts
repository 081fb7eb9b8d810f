/** Converts releases, slots and files between rows and records. */
import type { Release, ReleaseFile, Slot, StoredObject } from '../model.ts';
import { Refusal } from '../../core/refusal.ts';
import type { Db } from '../host.ts';
import { chunks } from '../paging.ts';
import type { ReleaseFileRow, ReleaseRow, SlotRow } from '../schema.ts';

export function releaseOf({ created_at, published_at, ...row }: ReleaseRow): Release {
  return { ...row, createdAt: created_at, publishedAt: published_at };
}

export function releaseRowOf({ createdAt, publishedAt, ...release }: Release): ReleaseRow {
  return { ...release, created_at: createdAt, published_at: publishedAt };
}

export function slotOf({ file_name, outside, created_at, expires_at, ...row }: SlotRow): Slot {
  return { ...row, fileName: file_name, outside: outside === 1, createdAt: created_at, expiresAt: expires_at };
}

export function slotRowOf({ fileName, outside, createdAt, expiresAt, ...slot }: Slot): SlotRow {
  return { ...slot, file_name: fileName, outside: outside ? 1 : 0, created_at: createdAt, expires_at: expiresAt };
}

export function fileOf({ file_name, version_id, created_at, ...row }: ReleaseFileRow): ReleaseFile {
  return { ...row, fileName: file_name, versionId: version_id, outside: row.blob === null, createdAt: created_at };
}

export function fileRowOf({ fileName, versionId, createdAt, outside: _, ...file }: ReleaseFile): ReleaseFileRow {
  return { ...file, file_name: fileName, version_id: versionId, created_at: createdAt };
}

export async function findRelease(db: Db, id: string): Promise<Release | undefined> {
  const row = await db.selectFrom('releases').selectAll().where('id', '=', id).executeTakeFirst();
  return row && releaseOf(row);
}

export async function findSlot(db: Db, id: string): Promise<Slot | undefined> {
  const row = await db.selectFrom('slots').selectAll().where('id', '=', id).executeTakeFirst();
  return row && slotOf(row);
}

/** Whether an open upload or multipart upload may fill the slot. */
export async function isBeingFilled(db: Db, { id, bucket, key, outside }: Slot): Promise<boolean> {
  if (outside) return false;
  const upload = await db
    .selectFrom('uploads')
    .select('id')
    .where('id', '=', id)
    .where('state', '=', 'open')
    .executeTakeFirst();
  if (upload) return true;
  const multipart = db
    .selectFrom('multiparts')
    .select('id')
    .where('bucket', '=', bucket)
    .where('key', '=', key)
    .where('outcome', 'is', null);
  return (await multipart.limit(1).executeTakeFirst()) !== undefined;
}

export async function findFile(db: Db, id: string): Promise<ReleaseFile | undefined> {
  const row = await db.selectFrom('release_files').selectAll().where('id', '=', id).executeTakeFirst();
  return row && fileOf(row);
}

/** Files of each release, oldest first. */
export async function findFiles(db: Db, releases: readonly string[]): Promise<Record<string, ReleaseFile[]>> {
  const found: Record<string, ReleaseFile[]> = Object.fromEntries(releases.map((id) => [id, []]));
  for (const some of chunks(releases)) {
    const rows = await db
      .selectFrom('release_files')
      .selectAll()
      .where('release', 'in', some)
      .orderBy('release')
      .orderBy('created_at')
      .orderBy('id')
      .execute();
    for (const row of rows) found[row.release]?.push(fileOf(row));
  }
  return found;
}

/** A release file as a version of its object, which is independent of the object's own versions. */
export async function findPinned(db: Db, bucket: string, key: string, id: string): Promise<StoredObject | undefined> {
  const row = await db
    .selectFrom('release_files')
    .innerJoin('buckets', 'buckets.name', 'release_files.bucket')
    .select(['release_files.id', 'blob', 'size', 'etag', 'about', 'release_files.created_at', 'buckets.namespace'])
    .where('release_files.id', '=', id)
    .where('release_files.bucket', '=', bucket)
    .where('release_files.key', '=', key)
    .executeTakeFirst();
  if (!row || row.blob === null) return undefined;
  const { blob, size, etag, about, namespace } = row;
  return {
    artifact: id,
    index: 1,
    bucket,
    namespace,
    key,
    versionId: id,
    current: false,
    content: { blob, size, etag, about, retention: null, held: null },
    createdAt: row.created_at,
  };
}

/** @throws Refusal `pinned` if the artifact keeps a release file; only the deletion of the release changes it */
export async function demandUnpinned(db: Db, artifact: string): Promise<void> {
  const file = await db
    .selectFrom('release_files')
    .select('id')
    .where('id', '=', artifact)
    .where('blob', 'is not', null)
    .executeTakeFirst();
  if (file) throw new Refusal('pinned', 'a release has this artifact pinned; only the release can change it');
}

/** Whether the bucket has files or slots of releases. */
export async function keepsReleases(db: Db, bucket: string): Promise<boolean> {
  const file = await db
    .selectFrom('release_files')
    .select('id')
    .where('bucket', '=', bucket)
    .where('blob', 'is not', null)
    .limit(1)
    .executeTakeFirst();
  return (
    file !== undefined ||
    (await db
      .selectFrom('slots')
      .select('id')
      .where('bucket', '=', bucket)
      .where('outside', '=', 0)
      .limit(1)
      .executeTakeFirst()) !== undefined
  );
}
