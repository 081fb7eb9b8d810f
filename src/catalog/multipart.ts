import { sql } from 'kysely';
import { successor } from '../kit/successor.ts';
import type { MultipartEnd, MultipartPage, Page } from './facts.ts';
import type { BucketId, Multipart, Part } from './model.ts';
import { demandDecided, findDecided } from './bucket-records.ts';
import type { Db, Host } from './host.ts';
import { chunks } from './paging.ts';
import { demandRecords } from './quota.ts';
import type { MultipartRow } from './schema.ts';

export class MultipartUploads {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Returns false if the namespace has no such bucket of that generation. */
  begin(multipart: Multipart, generation?: string): Promise<boolean> {
    const { createdAt, touchedAt, ...row } = multipart;
    return this.#host.write(async (db) => {
      const bucket = await findDecided(db, { name: multipart.bucket, generation });
      if (bucket?.namespace !== multipart.namespace) return false;
      await db
        .insertInto('multiparts')
        .values({ ...row, created_at: createdAt, touched_at: touchedAt })
        .execute();
      await demandRecords(db, multipart.namespace);
      return true;
    });
  }

  get(id: string): Promise<Multipart | undefined> {
    return this.#host.read(async (db) => {
      const row = await db.selectFrom('multiparts').selectAll().where('id', '=', id).executeTakeFirst();
      return row && multipartOf(row);
    });
  }

  /** Open multipart uploads of a bucket after `behind`, by key and id. */
  list(bucket: BucketId, { prefix, behind, limit }: MultipartPage): Promise<Multipart[]> {
    return this.#host.page(async (db) => {
      await demandDecided(db, bucket);
      const end = successor(prefix);
      let query = db
        .selectFrom('multiparts')
        .selectAll()
        .where('bucket', '=', bucket.name)
        .where('outcome', 'is', null)
        .where('key', '>=', prefix);
      if (end !== undefined) query = query.where('key', '<', end);
      if (behind)
        query = query.where((eb) =>
          eb.or([eb('key', '>', behind.key), eb.and([eb('key', '=', behind.key), eb('id', '>', behind.id)])]),
        );
      return (await query.orderBy('key').orderBy('id').limit(limit).execute()).map(multipartOf);
    });
  }

  /** Stores a part. @returns the upload of the part it replaced; undefined if the multipart is not open */
  put(id: string, { at, ...part }: Part): Promise<{ replaced: string | null } | undefined> {
    return this.#host.write(async (db) => {
      const namespace = await touch(db, id, at);
      if (namespace === undefined) return undefined;
      const before = await db
        .selectFrom('parts')
        .select('upload')
        .where('multipart', '=', id)
        .where('number', '=', part.number)
        .executeTakeFirst();
      const row = { multipart: id, ...part, at };
      await db
        .insertInto('parts')
        .values(row)
        .onConflict((conflict) => conflict.columns(['multipart', 'number']).doUpdateSet(row))
        .execute();
      await demandRecords(db, namespace);
      return { replaced: before?.upload ?? null };
    });
  }

  /** Parts after a number, by number. */
  parts(id: string, after: number, limit: number): Promise<Part[]> {
    return this.#host.read(async (db) => {
      const rows = await db
        .selectFrom('parts')
        .selectAll()
        .where('multipart', '=', id)
        .where('number', '>', after)
        .orderBy('number')
        .limit(limit)
        .execute();
      return rows.map(({ multipart: _, ...part }) => part);
    });
  }

  /**
   * Ends an open multipart upload with an outcome, or deletes it without one, and drops the uploads of its parts and
   * the joined one. @returns those uploads; undefined if it is not open, or with `unlessSince` if a part arrived since
   */
  end(id: string, outcome: string | null, at: number, unlessSince?: number): Promise<string[] | undefined> {
    return this.#host.write(async (db) => {
      const row = await db
        .selectFrom('multiparts')
        .select(['outcome', 'touched_at'])
        .where('id', '=', id)
        .executeTakeFirst();
      if (row?.outcome !== null || (unlessSince !== undefined && row.touched_at >= unlessSince)) return undefined;
      return endMultipart(db, id, outcome, at);
    });
  }

  /** Open multipart uploads without a new part since `before`, by id. */
  idle(before: number, page: Page): Promise<Multipart[]> {
    return this.#host.read(async (db) => {
      const rows = await db
        .selectFrom('multiparts')
        .selectAll()
        .where('touched_at', '<', before)
        .where('outcome', 'is', null)
        .where('id', '>', page.after ?? '')
        .orderBy('id')
        .limit(page.limit)
        .execute();
      return rows.map(multipartOf);
    });
  }

  /** Deletes those that ended before `before`. */
  forget(before: number): Promise<void> {
    return this.#host.write(async (db) => {
      await db
        .deleteFrom('multiparts')
        .where('touched_at', '<', before)
        .where('outcome', 'is not', sql.lit(null))
        .execute();
    });
  }
}

/** Uploads of all open parts in the buckets, and the joined ones, which have the multipart ids. */
export async function uploadsWithin(
  db: Db,
  buckets: { readonly name: string } | { readonly namespace: string },
): Promise<string[]> {
  const names =
    'name' in buckets
      ? [buckets.name]
      : db.selectFrom('buckets').select('name').where('namespace', '=', buckets.namespace);
  const open = await db
    .selectFrom('multiparts')
    .select('id')
    .where('bucket', 'in', names)
    .where('outcome', 'is', null)
    .execute();
  const parts = await db
    .selectFrom('parts')
    .innerJoin('multiparts', 'multiparts.id', 'parts.multipart')
    .select('parts.upload')
    .where('multiparts.bucket', 'in', names)
    .where('multiparts.outcome', 'is', null)
    .execute();
  return [...parts.map(({ upload }) => upload), ...open.map(({ id }) => id)];
}

/** Ends an open multipart upload; see `MultipartFacts.end`. */
export async function endMultipart(db: Db, id: string, outcome: string | null, at: number): Promise<string[]> {
  const parts = await db.deleteFrom('parts').where('multipart', '=', id).returning('upload').execute();
  if (outcome === null) await db.deleteFrom('multiparts').where('id', '=', id).execute();
  else await db.updateTable('multiparts').set({ outcome, touched_at: at }).where('id', '=', id).execute();
  const uploads = [...parts.map(({ upload }) => upload), id];
  await dropUploads(db, uploads, at);
  return uploads;
}

/** Ends the open multipart uploads of a bucket. @returns their uploads, read before their parts are deleted */
export async function endAllMultiparts(db: Db, bucket: string, at: number): Promise<string[]> {
  const uploads = await uploadsWithin(db, { name: bucket });
  await db
    .deleteFrom('parts')
    .where('multipart', 'in', (eb) => eb.selectFrom('multiparts').select('id').where('bucket', '=', bucket))
    .execute();
  await dropUploads(db, uploads, at);
  return uploads;
}

/** Drops the open ones of these uploads. */
async function dropUploads(db: Db, uploads: readonly string[], at: number): Promise<void> {
  for (const some of chunks(uploads)) {
    await db
      .updateTable('uploads')
      .set({ state: 'dropped', ended_at: at })
      .where('id', 'in', some)
      .where('state', '=', 'open')
      .execute();
  }
}

/** Why a multipart upload cannot be completed with these parts; undefined if it can. */
export async function refuseMultipart(
  db: Db,
  { id, parts }: MultipartEnd,
): Promise<'no_multipart' | 'other_parts' | undefined> {
  const row = await db.selectFrom('multiparts').select('outcome').where('id', '=', id).executeTakeFirst();
  if (row?.outcome !== null) return 'no_multipart';
  const there = await db.selectFrom('parts').select(['number', 'upload']).where('multipart', '=', id).execute();
  const uploads = new Map(there.map(({ number, upload }) => [number, upload]));
  return parts.every(({ number, upload }) => uploads.get(number) === upload) ? undefined : 'other_parts';
}

/** Updates the touch time of an open one. @returns its namespace */
async function touch(db: Db, id: string, at: number): Promise<string | undefined> {
  const row = await db
    .updateTable('multiparts')
    .set({ touched_at: at })
    .where('id', '=', id)
    .where('outcome', 'is', null)
    .returning('namespace')
    .executeTakeFirst();
  return row?.namespace;
}

function multipartOf({ created_at, touched_at, ...row }: MultipartRow): Multipart {
  return { ...row, createdAt: created_at, touchedAt: touched_at };
}
