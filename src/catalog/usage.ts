import type { UsageFacts } from './facts.ts';
import type { Event, Ledger } from './model.ts';
import type { Host } from './host.ts';
import { recordEvents } from './events.ts';
import { reservedBy } from './quota.ts';

export class Usage implements UsageFacts {
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
