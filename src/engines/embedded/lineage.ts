/**
 * Detects a catalog that is not the newest.
 *
 * The catalog and `node.json` hold the same id and generation. The generation grows when the catalog is opened or
 * closed, at each checkpoint, and after each minute with writes; it is durable in both places before the next write. So
 * a catalog with a lower generation than `node.json` is not the newest: it comes from a backup, or its log is missing.
 */
import { opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Refusal } from '../../core/refusal.ts';
import { newId } from '../../kit/ids.ts';
import { fans, type Layout } from './layout.ts';
import type { CatalogMark, NodeFacts } from './node-file.ts';
import type { SqliteConnection } from './sqlite/connection.ts';

const table = `create table if not exists lineage (
  one integer primary key check (one = 1), id text not null, generation integer not null)`;

/** The mark of a catalog; undefined if it has none. */
export function markOf(connection: SqliteConnection): CatalogMark | undefined {
  const known = connection.rows("select 1 from sqlite_master where type = 'table' and name = 'lineage'");
  const [row] = known.length > 0 ? connection.rows('select id, generation from lineage') : [];
  return row && { id: String(row['id']), generation: Number(row['generation']) };
}

/** Writes the next generation into the catalog. @returns the mark for `node.json` */
export function advance(connection: SqliteConnection, known: CatalogMark | undefined): CatalogMark {
  connection.run('begin immediate');
  try {
    connection.run(table);
    const here = markOf(connection);
    const id = here?.id ?? newId();
    const generation = Math.max(here?.generation ?? 0, known?.generation ?? 0) + 1;
    connection.rows('insert or replace into lineage values (1, ?, ?)', id, generation);
    connection.commit();
    return { id, generation };
  } catch (error) {
    if (connection.inTransaction) connection.run('rollback');
    throw error;
  }
}

/** Describes the mismatch between the catalog's mark and that of `node.json`; undefined if they agree. */
export function lossBetween(here: CatalogMark | undefined, known: CatalogMark | undefined): string | undefined {
  if (!known) return undefined;
  if (here && here.id !== known.id) {
    return `the catalog belongs to store ${here.id}, and node.json to store ${known.id}`;
  }
  const generation = here?.generation ?? 0;
  if (generation >= known.generation || known.relaxed) return undefined;
  return (
    `the catalog is older than the store: it has generation ${generation}, and node.json has recorded ${known.generation}. ` +
    'It comes from a backup, or its log (catalog.sqlite-wal) is missing'
  );
}

/** Describes the loss if the catalog is missing; undefined in a new folder. */
export async function lossOfAll(layout: Layout, facts: NodeFacts | undefined): Promise<string | undefined> {
  if (await hasCatalog(layout)) return undefined;
  const signs = facts ? 'node.json' : (await hasBytes(layout)) ? 'stored bytes' : undefined;
  return signs && `the catalog is missing: there is ${signs}, and no catalog.sqlite`;
}

/** The refusal for a store with a loss, with advice. */
export function refusalOf(loss: string, catalog: string): Refusal {
  const advice = [
    `${loss}.`,
    `To restore the store, put its newest catalog at ${catalog}, together with the catalog.sqlite-wal of the same copy.`,
    'To continue without the records of that catalog, start the server once with --accept-loss (STOWAGE_ACCEPT_LOSS=yes);',
    'stored bytes without a record then stay where they are.',
  ];
  return new Refusal('lost', advice.join(' '));
}

async function hasCatalog({ catalog }: Layout): Promise<boolean> {
  const sizes = await Promise.all(
    [catalog, `${catalog}-wal`].map((path) =>
      stat(path).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.some((size) => size > 0);
}

async function hasBytes({ uploads, blobs }: Layout): Promise<boolean> {
  for (const folder of [uploads, ...fans.map((fan) => join(blobs, fan))]) {
    for await (const _ of await opendir(folder)) return true;
  }
  return false;
}
