import { sql, type UpdateObject } from 'kysely';
import type {
  BucketChange,
  EntriesPage,
  Entry,
  ObjectsPage,
  Page,
  Removal,
  Retired,
  Retirement,
  Usage,
  VersionName,
  VersionsPage,
} from './facts.ts';
import { unmet, type Bucket, type BucketId, type Event, type Retention, type StoredObject } from './model.ts';
import { locked, weakens } from './object-lock-rules.ts';
import { Refusal } from '../core/refusal.ts';
import {
  bucketOf,
  bucketRowOf,
  demandDecided,
  demandSettings,
  findBucket,
  findDecided,
  textsOf,
} from './bucket-records.ts';
import type { Dialect } from './dialect.ts';
import type { Db, Host } from './host.ts';
import { listEntries } from './object-listing.ts';
import { demandNamespace, recordEvents } from './events.ts';
import {
  findObject,
  insertObject,
  isStill,
  listObjects,
  listVersions,
  nextIndex,
  promote,
  refuseRetirement,
} from './objects.ts';
import { lockOfRow, type Ending } from './object-locks.ts';
import type { Tables } from './schema.ts';
import { endAllMultiparts } from './multipart.ts';
import { demandRecords, isFull, withinQuota } from './quota.ts';
import { findArtifact } from './artifact-records.ts';
import { findPinned, keepsReleases } from './releases/rows.ts';
import { deleteArtifacts, endVersions } from './versions.ts';

/**
 * Changes apply only to the bucket that the caller decided about: a later bucket of the same name counts as missing.
 */
export class Buckets {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Returns false if the name is taken. */
  create(bucket: Bucket, event: Event): Promise<boolean> {
    return this.#host.write(async (db) => {
      await demandNamespace(db, { namespace: bucket.namespace });
      const { numInsertedOrUpdatedRows: created } = await db
        .insertInto('buckets')
        .values(bucketRowOf(bucket))
        .onConflict((conflict) => conflict.column('name').doNothing())
        .executeTakeFirst();
      if (!created) return false;
      await demandRecords(db, bucket.namespace);
      await recordEvents(db, [event]);
      return true;
    });
  }

  get(name: string): Promise<Bucket | undefined> {
    return this.#host.read((db) => findBucket(db, name));
  }

  /** By name; of one namespace, or of all. */
  list(namespace: string | null, page: Page): Promise<Bucket[]> {
    return this.#host.page(async (db) => {
      let query = db
        .selectFrom('buckets')
        .selectAll()
        .where('name', '>', page.after ?? '');
      if (namespace !== null) query = query.where('namespace', '=', namespace);
      return (await query.orderBy('name').limit(page.limit).execute()).map(bucketOf);
    });
  }

  /**
   * Changes only the named properties. A bucket with object lock must keep versioning enabled.
   *
   * @throws Refusal `bucket_changed` if `given` no longer holds, `bucket_locked` if object lock forbids the change
   */
  change(
    bucket: BucketId,
    { set: named = {}, given = {}, open, versioning, lock, publicAccess }: BucketChange,
    event: Event,
  ): Promise<Bucket | undefined> {
    return this.#host.write(async (db) => {
      const before = await findDecided(db, bucket);
      if (!before) return undefined;
      demandSettings(before, given);
      const set = { ...named, ...textsOf({ lock, publicAccess }) };
      if (Object.keys(set).length === 0 && open === undefined && versioning === undefined) return before;
      const { member } = this.#host.dialect;
      const settings = Object.entries(set).reduce(
        (column, [setting, value]) => member(column, setting, value === null ? null : JSON.stringify(value)),
        sql<string>`settings`,
      );
      const row = await withinQuota(db, before.namespace, () =>
        db
          .updateTable('buckets')
          .set({
            ...(Object.keys(set).length > 0 && { settings }),
            ...(open !== undefined && { open: open ? 1 : 0 }),
            ...(versioning && { versioning }),
          })
          .where('name', '=', bucket.name)
          .returningAll()
          .executeTakeFirst(),
      );
      const after = row && bucketOf(row);
      if (after?.lock && after.versioning !== 'enabled') {
        throw new Refusal('bucket_locked', 'a bucket with object lock must keep versioning enabled');
      }
      await recordEvents(db, [event]);
      return after;
    });
  }

  /** Removes an empty bucket and its open multipart uploads. @returns uploads whose stages are no longer needed */
  remove(bucket: BucketId, event: Event): Promise<readonly string[] | 'none' | 'occupied'> {
    return this.#host.write(async (db) => {
      if (!(await findDecided(db, bucket))) return 'none';
      const { name } = bucket;
      if (await db.selectFrom('objects').select('idx').where('bucket', '=', name).limit(1).executeTakeFirst())
        return 'occupied';
      if (await keepsReleases(db, name)) return 'occupied';
      const uploads = await endAllMultiparts(db, name, event.at);
      await db.deleteFrom('buckets').where('name', '=', name).execute();
      await recordEvents(db, [event]);
      return uploads;
    });
  }

  /** Counts versions and their bytes, of a bucket or a namespace. */
  usage(of: { readonly bucket: string } | { readonly namespace: string }): Promise<Usage> {
    return this.#host.read(async (db) => {
      const mine = db
        .selectFrom('buckets')
        .where((eb) => ('bucket' in of ? eb('name', '=', of.bucket) : eb('namespace', '=', of.namespace)));
      const { buckets } = await mine.select((eb) => eb.fn.countAll<number>().as('buckets')).executeTakeFirstOrThrow();
      const { objects, bytes } = await db
        .selectFrom('objects')
        .innerJoin('versions', (join) =>
          join.onRef('versions.artifact', '=', 'objects.artifact').onRef('versions.idx', '=', 'objects.idx'),
        )
        .select((eb) => [eb.fn.countAll<number>().as('objects'), eb.fn.sum<number | null>('versions.size').as('bytes')])
        .where('objects.bucket', 'in', mine.select('name'))
        .where('objects.marker', '=', 0)
        .executeTakeFirstOrThrow();
      return { buckets: Number(buckets), objects: Number(objects), bytes: Number(bytes ?? 0) };
    });
  }

  /** A version of an object, or its newest. */
  object(bucket: string, key: string, version?: { readonly id: string | null }): Promise<StoredObject | undefined> {
    return this.#host.read(async (db) => {
      const found = await findObject(db, bucket, key, version);
      return found ?? (version && version.id !== null ? findPinned(db, bucket, key, version.id) : undefined);
    });
  }

  /** The newest versions without delete markers, by key in UTF-8 byte order. */
  objects(bucket: string, page: ObjectsPage): Promise<StoredObject[]> {
    return this.#host.page((db) => listObjects(db, bucket, page));
  }

  /** A page with common prefixes; its cost is proportional to its entries, not to the keys under a prefix. */
  entries(bucket: BucketId, page: EntriesPage): Promise<Entry[]> {
    return this.#host.page(async (db) => {
      await demandDecided(db, bucket);
      return listEntries(db, this.#host.dialect, bucket.name, page);
    });
  }

  /** Every version and marker, by key, newest first; after a key, or after one of its versions. */
  versions(bucket: BucketId, { behind, ...page }: VersionsPage): Promise<StoredObject[]> {
    return this.#host.page(async (db) => {
      await demandDecided(db, bucket);
      return listVersions(db, bucket.name, page, behind);
    });
  }

  /** Sets or removes one member of a version's face metadata (JSON); false if the version is gone. */
  describe(version: VersionName, member: string, json: string | null): Promise<boolean> {
    return this.#changeVersion(version, { about: this.#host.dialect.member(sql<string>`about`, member, json) });
  }

  /** Sets or releases a legal hold; false if the version is gone. */
  hold(version: VersionName, held: boolean): Promise<boolean> {
    return this.#changeVersion(version, { held: held ? 1 : 0 });
  }

  /**
   * Sets or removes a retention; false if the version is gone.
   *
   * @param rights whether the caller may bypass GOVERNANCE
   * @throws Refusal `locked` if this would weaken an active retention
   */
  retain({ artifact, bucket, key, index }: VersionName, retention: Retention | null, rights: Ending): Promise<boolean> {
    return this.#host.write(async (db) => {
      const version = db.selectFrom('objects').selectAll().where('artifact', '=', artifact).where('idx', '=', index);
      const row = await version
        .where('bucket', '=', bucket)
        .where('key', '=', key)
        .where('marker', '=', 0)
        .executeTakeFirst();
      if (!row) return false;
      if (weakens(lockOfRow(row).retention, retention, rights)) throw locked();
      await db
        .updateTable('objects')
        .set({ lock_mode: retention?.mode ?? null, lock_until: retention?.until ?? null })
        .where('bucket', '=', bucket)
        .where('key', '=', key)
        .where('idx', '=', index)
        .execute();
      return true;
    });
  }

  #changeVersion(
    { artifact, bucket, key, index }: VersionName,
    change: UpdateObject<Tables, 'objects'>,
  ): Promise<boolean> {
    return this.#host.write(async (db) => {
      const update = db
        .updateTable('objects')
        .set(change)
        .where('bucket', '=', bucket)
        .where('key', '=', key)
        .where('idx', '=', index)
        .where('artifact', '=', artifact)
        .where('marker', '=', 0);
      const owner = (await findBucket(db, bucket))?.namespace ?? '';
      const { numUpdatedRows } = await withinQuota(db, owner, () => update.executeTakeFirst());
      return numUpdatedRows > 0n;
    });
  }

  /**
   * Deletes the newest version, or adds a delete marker, depending on the bucket's versioning.
   *
   * @throws Refusal `locked` if object lock protects a version that would end
   */
  retire(request: Retirement): Promise<Retired> {
    return this.#host.write(async (db) => {
      const { key, fresh, at, event } = request;
      const bucket = await findDecided(db, request.bucket);
      if (!bucket) return { kind: 'no_bucket' };
      const { name } = bucket;
      const head = await findObject(db, name, key);
      const refused = refuseRetirement(head, request);
      if (refused) return { kind: refused };
      if (bucket.versioning === 'off') {
        if (!head) return { kind: 'absent' };
        await endObject(db, this.#host.dialect, head, { at, bypass: false });
        await recordEvents(db, [event]);
        return { kind: 'gone', object: head };
      }
      const unmarked = await leaveNoMark(db, bucket, head);
      if (unmarked) return unmarked;
      const versionId = bucket.versioning === 'enabled' ? fresh.version : null;
      // A key has at most one version with a null id; the marker replaces it.
      const replaced = versionId === null ? await findObject(db, name, key, { id: null }) : undefined;
      const artifact = head?.artifact ?? fresh.artifact;
      const known = await findArtifact(db, artifact);
      const index = await nextIndex(db, name, key, known?.lastIndex ?? 0);
      const mark = { artifact, index, bucket: name, key, versionId, content: null, createdAt: at };
      await insertObject(db, mark);
      if (replaced) await endObject(db, this.#host.dialect, replaced, { at, bypass: false });
      await recordEvents(db, [event]);
      return { kind: 'marked', object: { ...mark, namespace: bucket.namespace, current: true } };
    });
  }

  /** Deletes a version or marker and returns it. Throws as `retire` does. */
  removeVersion({ bucket, key, id, conditions, only, bypass, at, event }: Removal): Promise<Retired> {
    return this.#host.write(async (db) => {
      if (!(await findDecided(db, bucket))) return { kind: 'no_bucket' };
      const found = await findObject(db, bucket.name, key, { id });
      if (!found || (only && !isStill(found, only))) return { kind: 'absent' };
      if (unmet(conditions, found)) return { kind: 'condition' };
      await endObject(db, this.#host.dialect, found, { at, bypass });
      await recordEvents(db, [event]);
      return { kind: 'gone', object: found };
    });
  }
}

/** A quota never prevents a deletion. But if the key is not visible anyway, a full namespace gets no new marker. */
async function leaveNoMark(
  db: Db,
  { namespace }: Bucket,
  head: StoredObject | undefined,
): Promise<Retired | undefined> {
  if (head?.content || !(await isFull(db, namespace))) return undefined;
  return head ? { kind: 'marked', object: head } : { kind: 'absent' };
}

/** Ends a version or marker, and the artifact with its last one. @throws Refusal as `endVersions` does */
async function endObject(
  db: Db,
  dialect: Dialect,
  { artifact, bucket, key, index, content }: StoredObject,
  ending: Ending,
): Promise<void> {
  if (content) {
    await endVersions(db, ending, { artifact, first: index, last: index });
  } else {
    await db
      .deleteFrom('objects')
      .where('bucket', '=', bucket)
      .where('key', '=', key)
      .where('idx', '=', index)
      .execute();
    await promote(db, bucket, key);
  }
  if (await db.selectFrom('objects').select('idx').where('artifact', '=', artifact).limit(1).executeTakeFirst()) return;
  await deleteArtifacts(db, dialect, ending.at, { uuid: artifact });
}

/** Ends every version and marker of a key, unless the bucket has object lock. */
export async function endObjects(
  db: Db,
  dialect: Dialect,
  { bucket: name, key }: { readonly bucket: string; readonly key: string },
  at: number,
): Promise<void> {
  const bucket = await findBucket(db, name);
  if (!bucket || bucket.lock) return;
  for (;;) {
    const newest = await findObject(db, name, key);
    if (!newest) return;
    await endObject(db, dialect, newest, { at, bypass: false });
  }
}
