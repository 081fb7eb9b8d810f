import type { ContentFacts, Page } from '../../core/engine.ts';
import type { Content, ContentState, Event } from '../../core/model.ts';
import type { Db, Host } from './host.ts';
import { recordEvents } from './journal.ts';
import { chunks } from './paging.ts';
import type { ContentRow } from './schema.ts';

type Totals = Awaited<ReturnType<ContentFacts['totals']>>;

export class Contents implements ContentFacts {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  get(sha512: string): Promise<Content | undefined> {
    return this.#host.read((db) => findContent(db, sha512));
  }

  bytes(sha512: string): Promise<Uint8Array | undefined> {
    return this.#host.read(async (db) => (await db.selectFrom('small_contents').select('bytes').where('sha512', '=', sha512).executeTakeFirst())?.bytes);
  }

  /** What was never scrubbed counts as scrubbed when it came, because its bytes were read to be hashed. */
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

  list(page: Page): Promise<Content[]> {
    return this.#host.read(async (db) => {
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

  mark(sha512: string, address: string, state: ContentState, at: number, event: Event | null): Promise<void> {
    return this.#host.write(async (db) => {
      const { numUpdatedRows } = await db
        .updateTable('contents')
        .set({ state, scrubbed_at: at })
        .where('sha512', '=', sha512)
        .where('address', '=', address)
        .executeTakeFirst();
      if (event && numUpdatedRows > 0n) await recordEvents(db, [event]);
    });
  }

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

  totals(): Promise<Totals> {
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
 * Makes sure that the catalog knows these bytes and that they are good. Good ones that it knew stay where they are;
 * bad ones give way to the offered ones.
 *
 * @returns where the bytes lie, and where bad ones lie that are not named any more.
 */
export async function adoptContent(db: Db, offered: Content): Promise<{ address: string; replaced: string | null; healed: boolean }> {
  const known = await findContent(db, offered.sha512);
  if (known?.state === 'good') return { address: known.address, replaced: null, healed: false };
  const { address, createdAt: created_at } = offered;
  if (!known) {
    await db
      .insertInto('contents')
      .values({ sha512: offered.sha512, size: offered.size, address, state: 'good', created_at, scrubbed_at: null })
      .execute();
    return { address, replaced: null, healed: false };
  }
  await db
    .updateTable('contents')
    .set({ address, state: 'good', created_at, scrubbed_at: null })
    .where('sha512', '=', offered.sha512)
    .execute();
  return { address, replaced: known.address === address ? null : known.address, healed: true };
}

/** Keeps the bytes of a content here, if its record says that this is where they lie. */
export async function keepSmall(db: Db, sha512: string, address: string, bytes: Uint8Array): Promise<void> {
  if (address !== smallAddress(sha512)) return;
  await db
    .insertInto('small_contents')
    .values({ sha512, bytes })
    .onConflict((conflict) => conflict.column('sha512').doUpdateSet({ bytes }))
    .execute();
}

/** The address of a content whose bytes lie here. */
export function smallAddress(sha512: string): string {
  return `catalog:${sha512}`;
}

export function contentOf({ created_at, scrubbed_at, ...row }: ContentRow): Content {
  return { ...row, createdAt: created_at, scrubbedAt: scrubbed_at };
}
