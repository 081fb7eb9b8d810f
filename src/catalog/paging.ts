/** Reads the pages of listings: merges keys of one or more indexes, then reads the records. */
import type { SelectQueryBuilder } from 'kysely';
import type { Db } from './host.ts';
import type { Tables } from './schema.ts';

/** An ordered, limited query for keys that one index answers. */
export type Branch<Key> = Pick<SelectQueryBuilder<Tables, keyof Tables, { key: Key }>, 'as'>;

/** Branches in one statement. */
const branchLimit = 100;
/** Values in one statement. */
const nameLimit = 500;

/**
 * The first `limit` distinct keys of all branches. It costs only the branches: a query with `or` over the same
 * conditions would read and sort everything.
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

/** Splits `values` into chunks of at most `size`. */
export function* chunks<T>(values: readonly T[], size: number = nameLimit): Generator<readonly T[]> {
  for (let start = 0; start < values.length; start += size) yield values.slice(start, start + size);
}
