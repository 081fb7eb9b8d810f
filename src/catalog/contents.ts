import { createHash } from 'node:crypto';
import type { NamedVersion, Page } from './facts.ts';
import type { Content, ContentState, Event } from './model.ts';
import type { Db, Host } from './host.ts';
import { recordEvents } from './events.ts';
import { chunks } from './paging.ts';
import type { ContentRow } from './schema.ts';

export class Contents {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  get(sha512: string): Promise<Content | undefined> {
    return this.#host.read((db) => findContent(db, sha512));
  }

  /** Inline bytes; undefined if the content is in the byte store. */
  bytes(sha512: string): Promise<Uint8Array | undefined> {
    return this.#host.read(
      async (db) =>
        (await db.selectFrom('small_contents').select('bytes').where('sha512', '=', sha512).executeTakeFirst())?.bytes,
    );
  }

  /**
   * Contents last scrubbed before `before`, oldest first. A content that was never scrubbed counts from its creation,
   * when its bytes were hashed.
   */
  toScrub(before: number, limit: number): Promise<Content[]> {
    return this.#host.read(async (db) => {
      const rows = await db
        .selectFrom('contents')
        .selectAll()
        .where((eb) => eb(eb.fn.coalesce('scrubbed_at', 'created_at'), '<', before))
        .orderBy((eb) => eb.fn.coalesce('scrubbed_at', 'created_at'))
        .orderBy('sha512')
        .limit(limit)
        .execute();
      return rows.map(contentOf);
    });
  }

  /** All contents, by sha512. */
  list(page: Page): Promise<Content[]> {
    return this.#host.page(async (db) => {
      const rows = await db
        .selectFrom('contents')
        .selectAll()
        .where('sha512', '>', page.after ?? '')
        .orderBy('sha512')
        .limit(page.limit)
        .execute();
      return rows.map(contentOf);
    });
  }

  /**
   * Sets the state if the bytes are still at `address`; returns whether it did. Inline bytes are checked first, so that
   * correct ones are not marked `rotten`.
   */
  mark(sha512: string, address: string, state: ContentState, at: number, event: Event | null): Promise<boolean> {
    return this.#host.write(async (db) => {
      // The bytes may have been replaced since a reader found them corrupt.
      if (state === 'rotten' && address === smallAddress(sha512) && (await isWell(db, sha512))) return false;
      const { numUpdatedRows } = await db
        .updateTable('contents')
        .set({ state, scrubbed_at: at })
        .where('sha512', '=', sha512)
        .where('address', '=', address)
        .executeTakeFirst();
      if (event && numUpdatedRows > 0n) await recordEvents(db, [event]);
      return numUpdatedRows > 0n;
    });
  }

  /** Versions of a content. */
  named(sha512: string, limit: number): Promise<NamedVersion[]> {
    return this.#host.read((db) =>
      db
        .selectFrom('blobs')
        .innerJoin('versions', 'versions.blob', 'blobs.uuid')
        .innerJoin('artifacts', 'artifacts.uuid', 'versions.artifact')
        .select(['artifacts.namespace', 'artifacts.uuid as artifact', 'artifacts.name', 'versions.idx as index'])
        .where('blobs.sha512', '=', sha512)
        .orderBy('artifacts.uuid')
        .orderBy('versions.idx')
        .limit(limit)
        .execute(),
    );
  }

  /** The recorded ones among these addresses. */
  known(addresses: readonly string[]): Promise<string[]> {
    return this.#host.read(async (db) => {
      const found: string[] = [];
      for (const some of chunks(addresses)) {
        const rows = await db.selectFrom('contents').select('address').where('address', 'in', some).execute();
        for (const row of rows) found.push(row.address);
      }
      return found;
    });
  }

  /** Totals for metrics: bytes stored once, and bytes counted for each version. */
  totals() {
    return this.#host.read(async (db) => {
      const row = await db.selectFrom('totals').selectAll().executeTakeFirstOrThrow();
      return {
        contents: row.contents,
        bytes: row.bytes,
        blobs: row.blobs,
        artifacts: row.artifacts,
        versions: row.versions,
        namedBytes: row.named_bytes,
        openUploads: row.open_uploads,
      };
    });
  }
}

export async function findContent(db: Db, sha512: string): Promise<Content | undefined> {
  const row = await db.selectFrom('contents').selectAll().where('sha512', '=', sha512).executeTakeFirst();
  return row && contentOf(row);
}

/**
 * Records a content at its new address. Even if it is already recorded, the new bytes are used, because only they were
 * verified just now.
 *
 * @returns the address, the replaced address if it differs, and whether the recorded bytes were known to be bad
 */
export async function adoptContent(
  db: Db,
  offered: Content,
): Promise<{ address: string; replaced: string | null; healed: boolean }> {
  const { sha512, size, address, createdAt: created_at } = offered;
  const known = await findContent(db, sha512);
  if (!known) {
    await db
      .insertInto('contents')
      .values({ sha512, size, address, state: 'good', created_at, scrubbed_at: null })
      .execute();
    return { address, replaced: null, healed: false };
  }
  const healed = known.state !== 'good';
  if (known.address === address && !healed) return { address, replaced: null, healed };
  await db
    .updateTable('contents')
    .set({ address, state: 'good', created_at, scrubbed_at: null })
    .where('sha512', '=', sha512)
    .execute();
  if (known.address === address) return { address, replaced: null, healed };
  await db.deleteFrom('small_contents').where('sha512', '=', sha512).execute();
  return { address, replaced: known.address, healed };
}

/** Stores inline bytes unless the same ones are stored. */
export async function keepSmall(db: Db, sha512: string, bytes: Uint8Array): Promise<void> {
  const kept = await db.selectFrom('small_contents').select('bytes').where('sha512', '=', sha512).executeTakeFirst();
  if (kept && Buffer.compare(kept.bytes, bytes) === 0) return;
  await db
    .insertInto('small_contents')
    .values({ sha512, bytes })
    .onConflict((conflict) => conflict.column('sha512').doUpdateSet({ bytes }))
    .execute();
}

/** Whether the inline bytes match their sha512. */
async function isWell(db: Db, sha512: string): Promise<boolean> {
  const kept = await db.selectFrom('small_contents').select('bytes').where('sha512', '=', sha512).executeTakeFirst();
  return kept !== undefined && createHash('sha512').update(kept.bytes).digest('hex') === sha512;
}

/** The address of inline bytes. */
export function smallAddress(sha512: string): string {
  return `catalog:${sha512}`;
}

export function contentOf({ created_at, scrubbed_at, ...row }: ContentRow): Content {
  return { ...row, createdAt: created_at, scrubbedAt: scrubbed_at };
}
