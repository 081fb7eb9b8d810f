import { sql } from 'kysely';
import type { Miscounted } from './facts.ts';
import type { Event, Ledger } from './model.ts';
import type { Db, Host } from './host.ts';
import { recordEvents } from './events.ts';
import { recount } from './migrations/0013-records.ts';
import { reservedBy } from './quota.ts';

export class Usage {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Undefined if there is no such namespace. */
  get(namespace: string): Promise<Ledger | undefined> {
    return this.#host.read(async (db) => {
      const row = await db.selectFrom('ledgers').selectAll().where('namespace', '=', namespace).executeTakeFirst();
      return row && { ...row, reserved: await reservedBy(db, namespace) };
    });
  }

  /** Sets only the given limits. */
  setLimits(namespace: string, limits: Partial<Pick<Ledger, 'quota' | 'allowance'>>, event: Event): Promise<boolean> {
    return this.#host.write(async (db) => {
      // With no limits given, this only checks that the namespace exists.
      const { numUpdatedRows } = await db
        .updateTable('ledgers')
        .set({ namespace, ...limits })
        .where('namespace', '=', namespace)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) return false;
      await recordEvents(db, [event]);
      return true;
    });
  }

  /** Recounts all namespaces and returns ledgers with wrong totals; `mend` corrects them. */
  miscounted(mend: boolean): Promise<Miscounted[]> {
    const count = async (db: Db): Promise<Miscounted[]> => {
      const counted = sql.raw(recount);
      const { rows } = await sql<Miscounted>`select ledgers.namespace, ledgers.stored, ledgers.records,
          coalesce(counted.stored, 0) as "rightStored", coalesce(counted.records, 0) as "rightRecords"
        from ledgers left join (${counted}) as counted on counted.namespace = ledgers.namespace
        where ledgers.stored <> coalesce(counted.stored, 0) or ledgers.records <> coalesce(counted.records, 0)
        order by ledgers.namespace`.execute(db);
      return rows;
    };
    if (!mend) return this.#host.read(count);
    return this.#host.write(async (db) => {
      const found = await count(db);
      for (const { namespace, rightStored: stored, rightRecords: records } of found)
        await db.updateTable('ledgers').set({ stored, records }).where('namespace', '=', namespace).execute();
      return found;
    });
  }

  /** Adds sent bytes; a new month starts at 0. */
  spend(month: string, sent: readonly (readonly [string, number])[]): Promise<void> {
    return this.#host.write(async (db) => {
      for (const [namespace, bytes] of sent) {
        await db
          .updateTable('ledgers')
          .set((eb) => ({
            month,
            sent: eb
              .case()
              .when('month', '=', month)
              .then(eb('sent', '+', bytes))
              .else(bytes)
              .end(),
          }))
          .where('namespace', '=', namespace)
          .execute();
      }
    });
  }
}
