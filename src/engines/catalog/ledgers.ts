import { sql } from 'kysely';
import type { LedgerFacts } from '../../core/engine.ts';
import type { Event, Ledger } from '../../core/model.ts';
import { Refusal } from '../../core/refusal.ts';
import type { Db, Host } from './host.ts';
import { recordEvents } from './journal.ts';

export class Ledgers implements LedgerFacts {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  get(namespace: string): Promise<Ledger | undefined> {
    return this.#host.read(async (db) => {
      const row = await db.selectFrom('ledgers').selectAll().where('namespace', '=', namespace).executeTakeFirst();
      return row && { ...row, reserved: await reservedBy(db, namespace) };
    });
  }

  setLimits(namespace: string, limits: Partial<Pick<Ledger, 'quota' | 'allowance'>>, event: Event): Promise<boolean> {
    return this.#host.write(async (db) => {
      // Without a limit to set, this asks whether there is such a namespace.
      const { numUpdatedRows } = await db.updateTable('ledgers').set({ namespace, ...limits }).where('namespace', '=', namespace).executeTakeFirst();
      if (numUpdatedRows === 0n) return false;
      await recordEvents(db, [event]);
      return true;
    });
  }

  spend(month: string, sent: readonly (readonly [string, number])[]): Promise<void> {
    return this.#host.write(async (db) => {
      for (const [namespace, bytes] of sent) {
        await db
          .updateTable('ledgers')
          .set((eb) => ({ month, sent: eb.case().when('month', '=', month).then(eb('sent', '+', bytes)).else(bytes).end() }))
          .where('namespace', '=', namespace)
          .execute();
      }
    });
  }
}

/** @throws Refusal `over_quota` where a namespace may not have so many bytes more. */
export async function demandQuota(db: Db, namespace: string, more: number): Promise<void> {
  const row = await db.selectFrom('ledgers').select(['stored', 'quota']).where('namespace', '=', namespace).executeTakeFirst();
  if (row?.quota === null || row?.quota === undefined) return;
  const taken = row.stored + (await reservedBy(db, namespace));
  if (taken + more > row.quota) {
    throw new Refusal('over_quota', `the namespace may store ${row.quota} bytes, and has taken ${taken}`, { quota: row.quota, taken });
  }
}

async function reservedBy(db: Db, namespace: string): Promise<number> {
  const { bytes } = await db
    .selectFrom('uploads')
    .select(sql<number | null>`sum(case when length > "offset" then length else "offset" end)`.as('bytes'))
    .where('namespace', '=', namespace)
    .where('state', '=', 'open')
    .executeTakeFirstOrThrow();
  return Number(bytes ?? 0);
}
