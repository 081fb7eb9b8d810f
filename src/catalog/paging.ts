/** How a listing reads its pages: keys from one or many indexes, merged; then the records. */
import type { SelectQueryBuilder } from 'kysely';
import type { Db } from './host.ts';
import type { Tables } from './schema.ts';

/** A query for keys of one listing, ordered and limited, that a single index answers. */
export type Branch<Key> = Pick<SelectQueryBuilder<Tables, keyof Tables, { key: Key }>, 'as'>;

/** As many branches as one statement may join. */
const branchLimit = 100;
/** As many values as one statement may name. */
const nameLimit = 500;

/**
 * The first `limit` keys that any of the branches yields, each once. Costs what the branches cost, and never what
 * lies behind them: an `or` over the same conditions would have to read and sort everything.
 */
export async function mergedKeys<Key extends string | number>(
  db: Db,
  branches: readonly Branch<Key>[],
  limit: number,
  order: 'asc' | 'desc' = 'asc',
): Promise<Key[]> {
  const found = new Set<Key>();
  for (const some of chunks(branches, branchLimit)) {
    const [first, ...others] = some.map((branch) => db.selectFrom(branch.as('branch')).select('branch.key'));
    const rows = await others
      .reduce((merged, next) => merged.union(next), first!)
      .orderBy('key', order)
      .limit(limit)
      .execute();
    for (const { key } of rows) found.add(key as Key);
  }
  const sign = order === 'asc' ? 1 : -1;
  return [...found].sort((a, b) => (a < b ? -sign : sign)).slice(0, limit);
}

/** `values` in runs of at most `size`. */
export function* chunks<T>(values: readonly T[], size: number = nameLimit): Generator<readonly T[]> {
  for (let start = 0; start < values.length; start += size) yield values.slice(start, start + size);
}
