/** What a namespace has taken of what it may store. */
import { sql } from 'kysely';
import { Refusal } from '../core/refusal.ts';
import type { Db } from './host.ts';

/** @throws Refusal `over_quota` where a namespace may not have so many bytes more. */
export async function demandQuota(db: Db, namespace: string, more: number): Promise<void> {
  const row = await db
    .selectFrom('ledgers')
    .select(['stored', 'quota'])
    .where('namespace', '=', namespace)
    .executeTakeFirst();
  if (row?.quota === null || row?.quota === undefined) return;
  const taken = row.stored + (await reservedBy(db, namespace));
  if (taken + more > row.quota) {
    throw new Refusal('over_quota', `the namespace has a quota of ${row.quota} bytes and uses ${taken}`, {
      quota: row.quota,
      taken,
    });
  }
}

export async function reservedBy(db: Db, namespace: string): Promise<number> {
  const { bytes } = await db
    .selectFrom('uploads')
    // `total` is no integer, so that lengths that were only told can overflow nothing.
    .select(sql<number>`total(case when length > "offset" then length else "offset" end)`.as('bytes'))
    .where('namespace', '=', namespace)
    .where('state', '=', 'open')
    .executeTakeFirstOrThrow();
  return bytes;
}
