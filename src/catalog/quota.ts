/** A namespace's usage of its quota. */
import { sql } from 'kysely';
import { Refusal } from '../core/refusal.ts';
import type { Db } from './host.ts';

/** Bytes of records allowed under any quota, so that a small quota still allows names for its bytes. */
export const recordsAllowed = 1024 * 1024;

interface QuotaUsage {
  readonly quota: number;
  /** Stored and reserved bytes. */
  readonly bytes: number;
  readonly records: number;
}

/** @throws Refusal `over_quota` if stored and reserved bytes exceed the quota, or would with `more` bytes */
export async function demandBytes(db: Db, namespace: string, more = 0): Promise<void> {
  const now = await usageOf(db, namespace);
  if (now) refuseBytes(now, more);
}

/** @throws Refusal `over_quota` if the records exceed their limit */
export async function demandRecords(db: Db, namespace: string): Promise<void> {
  const now = await usageOf(db, namespace);
  if (now) refuseRecords(now);
}

/** @throws Refusal `over_quota` for either limit */
export async function demandQuota(db: Db, namespace: string): Promise<void> {
  const now = await usageOf(db, namespace);
  if (!now) return;
  refuseBytes(now, 0);
  refuseRecords(now);
}

/**
 * Runs `work` and refuses it if it exceeds the quota. Work that does not increase the usage is never refused.
 *
 * @throws Refusal `over_quota`
 */
export async function withinQuota<T>(db: Db, namespace: string, work: () => Promise<T>): Promise<T> {
  const before = await usageOf(db, namespace);
  const result = await work();
  const now = before && (await usageOf(db, namespace));
  if (now && now.bytes > before.bytes) refuseBytes(now, 0);
  if (now && now.records > before.records) refuseRecords(now);
  return result;
}

/** Whether the limit for records is used up. */
export async function isFull(db: Db, namespace: string): Promise<boolean> {
  const now = await usageOf(db, namespace);
  return now !== undefined && now.records >= recordsOf(now);
}

function refuseBytes({ quota, bytes }: QuotaUsage, more: number): void {
  const taken = bytes + more;
  if (taken > quota)
    throw new Refusal('over_quota', `the namespace has a quota of ${quota} bytes and would use ${taken}`, {
      quota,
      taken,
    });
}

function refuseRecords(now: QuotaUsage): void {
  const [quota, taken] = [recordsOf(now), now.records];
  if (taken > quota)
    throw new Refusal('over_quota', `the records of the namespace may count ${quota} bytes and would count ${taken}`, {
      quota,
      taken,
    });
}

const recordsOf = ({ quota }: QuotaUsage): number => Math.max(quota, recordsAllowed);

/** Undefined if there is no quota. */
async function usageOf(db: Db, namespace: string): Promise<QuotaUsage | undefined> {
  const row = await db
    .selectFrom('ledgers')
    .select(['stored', 'records', 'quota'])
    .where('namespace', '=', namespace)
    .executeTakeFirst();
  if (row?.quota === null || row?.quota === undefined) return undefined;
  return { quota: row.quota, bytes: row.stored + (await reservedBy(db, namespace)), records: row.records };
}

export async function reservedBy(db: Db, namespace: string): Promise<number> {
  const { bytes } = await db
    .selectFrom('uploads')
    // `total` returns a float, so that declared lengths cannot overflow.
    .select(sql<number>`total(case when length > "offset" then length else "offset" end)`.as('bytes'))
    .where('namespace', '=', namespace)
    .where('state', '=', 'open')
    .executeTakeFirstOrThrow();
  return bytes;
}
