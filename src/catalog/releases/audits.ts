import { sql } from 'kysely';
import type { TimePage } from '../facts.ts';
import type { AuditFilter } from './facts.ts';
import type { Audit } from '../model.ts';
import type { Host } from '../host.ts';
import { forgetAtOnce, inParts } from '../events.ts';
import { chunks } from '../paging.ts';

export class Audits {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  record(audits: readonly Audit[]): Promise<void> {
    return this.#host.write(async (db) => {
      for (const some of chunks(audits))
        await db
          .insertInto('audits')
          .values(some.map((audit) => ({ ...audit, payload: JSON.stringify(audit.payload) })))
          .execute();
    });
  }

  /** Newest first. */
  list(
    namespace: string,
    { customer, actor, event, from, to }: AuditFilter,
    { behind, offset, limit }: TimePage,
  ): Promise<Audit[]> {
    return this.#host.page(async (db) => {
      let query = db.selectFrom('audits').selectAll().where('namespace', '=', namespace);
      if (customer !== undefined) query = query.where('customer', '=', customer);
      if (actor !== undefined) query = query.where('actor', '=', actor);
      if (event !== undefined) query = query.where('event', '=', event);
      if (from !== undefined) query = query.where('at', '>=', from);
      if (to !== undefined) query = query.where('at', '<=', to);
      if (behind) query = query.where(sql<boolean>`(at, id) < (${behind.at}, ${behind.id})`);
      const rows = await query.orderBy('at', 'desc').orderBy('id', 'desc').limit(limit).offset(offset).execute();
      return rows.map((row) => ({ ...row, payload: JSON.parse(row.payload) as Audit['payload'] }));
    });
  }

  /** Deletes audits from before `before`. @returns their number */
  forget(before: number): Promise<number> {
    return inParts(forgetAtOnce, () =>
      this.#host.write(async (db) => {
        const { numDeletedRows } = await db
          .deleteFrom('audits')
          .where('id', 'in', (eb) => eb.selectFrom('audits').select('id').where('at', '<', before).limit(forgetAtOnce))
          .executeTakeFirst();
        return Number(numDeletedRows);
      }),
    );
  }
}
