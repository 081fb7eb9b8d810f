import type { Page, Visibility } from './facts.ts';
import type { Blob, Content } from './model.ts';
import type { Algorithm, Digest } from '../kit/digest.ts';
import { contentOf } from './contents.ts';
import type { Db, Host } from './host.ts';
import { dropMetadata } from './events.ts';
import type { Branch } from './paging.ts';
import { chunks, mergedKeys } from './paging.ts';
import { owners, seesBlob } from './visibility.ts';

export class Blobs {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  get(uuid: string): Promise<Blob | undefined> {
    return this.#host.read(async (db) => (await findBlobs(db, [uuid]))[0]);
  }

  /** Whether the blob is visible through any version. */
  seen(uuid: string, visibility: Visibility): Promise<boolean> {
    return this.#host.read(async (db) => {
      const blob = db.selectFrom('blobs').select('uuid').where('uuid', '=', uuid);
      const seen = visibility === 'everything' ? blob : blob.where(seesBlob(visibility.namespace));
      return (await seen.executeTakeFirst()) !== undefined;
    });
  }

  /** A visible blob with this digest and good bytes. */
  withDigest(digest: Digest, visibility: Visibility): Promise<Blob | undefined> {
    return this.#host.read(async (db) => {
      const good = db
        .selectFrom('blobs')
        .innerJoin('contents', 'contents.sha512', 'blobs.sha512')
        .select('blobs.uuid')
        .where('contents.state', '=', 'good')
        .where((eb) =>
          digest.algorithm === 'sha512'
            ? eb('blobs.sha512', '=', digest.hex)
            : eb('blobs.uuid', 'in', blobsWith(db, digest)),
        )
        .limit(1);
      const found = await (
        visibility === 'everything' ? good : good.where(seesBlob(visibility.namespace))
      ).executeTakeFirst();
      return found && (await findBlobs(db, [found.uuid]))[0];
    });
  }

  /** By uuid. */
  list(visibility: Visibility, page: Page): Promise<Blob[]> {
    return this.#host.page(async (db) => {
      const branches =
        visibility === 'everything' ? [allBlobs(db, page)] : await seenBlobs(db, visibility.namespace, page);
      return findBlobs(db, await mergedKeys<string>(db, branches, page.limit));
    });
  }

  many(uuids: readonly string[]): Promise<Blob[]> {
    return this.#host.read((db) => findBlobs(db, uuids));
  }

  /** Stores a computed digest of the blob's bytes. */
  addDigest(uuid: string, algorithm: Algorithm, hex: string): Promise<void> {
    return this.#host.write(async (db) => {
      // The blob may have been removed while its bytes were hashed.
      const blob = await db.selectFrom('blobs').select('uuid').where('uuid', '=', uuid).executeTakeFirst();
      if (!blob) return;
      await db
        .insertInto('blob_digests')
        .values({ blob: uuid, algorithm, hex })
        .onConflict((conflict) => conflict.columns(['blob', 'algorithm']).doUpdateSet({ hex }))
        .execute();
    });
  }

  /** Records the last use, which restarts the grace period of unreferenced blobs. */
  used(uuids: readonly string[], at: number): Promise<void> {
    return this.#host.write(async (db) => {
      for (const some of chunks(uuids)) {
        await db
          .updateTable('blobs')
          .set((eb) => ({
            used_at: eb.case().when('used_at', '>', at).then(eb.ref('used_at')).else(at).end(),
            released_at: eb.case().when('released_at', '<', at).then(at).else(eb.ref('released_at')).end(),
          }))
          .where('uuid', 'in', some)
          .execute();
      }
    });
  }

  /** Removes up to `limit` blobs unreferenced since `before`, and contents that then have no blob. */
  sweep(before: number, limit: number): Promise<{ blobs: number; contents: Content[] }> {
    return this.#host.write(async (db) => {
      const released = await findReleased(db, before, limit);
      const uuids = released.map((blob) => blob.uuid);
      for (const some of chunks(uuids)) await db.deleteFrom('blobs').where('uuid', 'in', some).execute();
      await dropMetadata(db, 'blob', uuids);
      const contents = await removeNameless(db, [...new Set(released.map((blob) => blob.sha512))]);
      return { blobs: uuids.length, contents };
    });
  }
}

function findReleased(db: Db, before: number, limit: number): Promise<{ uuid: string; sha512: string }[]> {
  return db
    .selectFrom('blobs')
    .select(['uuid', 'sha512'])
    .where('released_at', '<', before)
    .where((eb) =>
      eb.not(eb.exists(eb.selectFrom('versions').select('idx').whereRef('versions.blob', '=', 'blobs.uuid'))),
    )
    .orderBy('released_at')
    .limit(limit)
    .execute();
}

/** The existing blobs among these uuids, by uuid. */
async function findBlobs(db: Db, uuids: readonly string[]): Promise<Blob[]> {
  const found = new Map<string, Blob & { digests: Partial<Record<Algorithm, string>> }>();
  for (const some of chunks(uuids)) {
    const rows = await db
      .selectFrom('blobs')
      .innerJoin('contents', 'contents.sha512', 'blobs.sha512')
      .leftJoin('blob_digests', 'blob_digests.blob', 'blobs.uuid')
      .select([
        'uuid',
        'namespace',
        'blobs.sha512',
        'size',
        'blobs.created_at',
        'used_at',
        'media_type',
        'state',
        'algorithm',
        'hex',
      ])
      .select((eb) =>
        eb
          .selectFrom('versions')
          .select((count) => count.fn.countAll<number>().as('number'))
          .whereRef('versions.blob', '=', 'blobs.uuid')
          .as('references'),
      )
      .where('uuid', 'in', some)
      .orderBy('uuid')
      .execute();
    for (const { uuid, algorithm, hex, created_at, used_at, media_type, state, references, ...row } of rows) {
      const blob = found.get(uuid) ?? {
        ...row,
        uuid,
        createdAt: created_at,
        usedAt: used_at,
        mediaType: media_type,
        digests: {},
        references: Number(references),
        contentState: state,
      };
      if (algorithm !== null && hex !== null) blob.digests[algorithm] = hex;
      found.set(uuid, blob);
    }
  }
  return [...found.values()];
}

function blobsWith(db: Db, digest: Digest) {
  return db
    .selectFrom('blob_digests')
    .select('blob_digests.blob')
    .where('algorithm', '=', digest.algorithm)
    .where('hex', '=', digest.hex);
}

function allBlobs(db: Db, page: Page): Branch<string> {
  return db
    .selectFrom('blobs')
    .select('uuid as key')
    .where('uuid', '>', page.after ?? '')
    .orderBy('uuid')
    .limit(page.limit);
}

/** A blob is visible through its versions, so the versions' indexes list the visible blobs. */
async function seenBlobs(db: Db, namespace: string, page: Page): Promise<Branch<string>[]> {
  const versions = db
    .selectFrom('versions')
    .select('blob as key')
    .distinct()
    .where('blob', '>', page.after ?? '')
    .orderBy('blob')
    .limit(page.limit);
  const owned = (await owners(db, namespace)).map((owner) => versions.where('namespace', '=', owner));
  return [...owned, versions.where((eb) => eb('shared', '=', eb.lit(1)))];
}

/** Removes the contents that no blob refers to, and returns them. */
async function removeNameless(db: Db, sha512s: readonly string[]): Promise<Content[]> {
  const removed: Content[] = [];
  for (const some of chunks(sha512s)) {
    const rows = await db
      .deleteFrom('contents')
      .where('sha512', 'in', some)
      .where((eb) =>
        eb.not(eb.exists(eb.selectFrom('blobs').select('uuid').whereRef('blobs.sha512', '=', 'contents.sha512'))),
      )
      .returningAll()
      .execute();
    for (const row of rows) removed.push(contentOf(row));
  }
  return removed;
}
