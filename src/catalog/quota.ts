/** What a namespace has taken of what it may store. */
import { sql } from 'kysely';
import { Refusal } from '../core/refusal.ts';
import type { Db } from './host.ts';

interface Taken {
  readonly quota: number;
  readonly taken: number;
}

/** @throws Refusal `over_quota` where a namespace has taken more than it may, or may not have so many bytes more. */
export async function demandQuota(db: Db, namespace: string, more = 0): Promise<void> {
  const now = await takenBy(db, namespace);
  if (now) demandRoom(now, more);
}

/**
 * Does some work and refuses it where it takes more than the namespace may. Work that takes no more than before is never refused.
 *
 * @throws Refusal `over_quota`
 */
export async function withinQuota<T>(db: Db, namespace: string, work: () => Promise<T>): Promise<T> {
  const before = await takenBy(db, namespace);
  const result = await work();
  const now = before && (await takenBy(db, namespace));
  if (now && now.taken > before.taken) demandRoom(now, 0);
  return result;
}

/** Whether a namespace may take nothing more. */
export async function isFull(db: Db, namespace: string): Promise<boolean> {
  const now = await takenBy(db, namespace);
  return now !== undefined && now.taken >= now.quota;
}

function demandRoom({ quota, taken }: Taken, more: number): void {
  if (taken + more > quota) {
    throw new Refusal('over_quota', `the namespace has a quota of ${quota} bytes and would use ${taken + more}`, {
      quota,
      taken: taken + more,
    });
  }
}

/** Undefined where there is no quota. */
async function takenBy(db: Db, namespace: string): Promise<Taken | undefined> {
  const row = await db
    .selectFrom('ledgers')
    .select(['stored', 'records', 'quota'])
    .where('namespace', '=', namespace)
    .executeTakeFirst();
  if (row?.quota === null || row?.quota === undefined) return undefined;
  return { quota: row.quota, taken: row.stored + row.records + (await reservedBy(db, namespace)) };
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
