import type { Page } from './facts.ts';
import type { AccessKey, Event, Grant } from './model.ts';
import { Refusal } from '../core/refusal.ts';
import type { Host } from './host.ts';
import { demandNamespace, recordEvents } from './events.ts';
import { demandRecords } from './quota.ts';
import type { KeyRow } from './schema.ts';

export class AccessKeys {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /** @throws Refusal `not_found` if the namespace was deleted; `conflict` if the id is taken */
  create(key: AccessKey, event: Event): Promise<void> {
    return this.#host.write(async (db) => {
      await demandNamespace(db, { namespace: key.namespace });
      const { numInsertedOrUpdatedRows: created } = await db
        .insertInto('keys')
        .values(rowOf(key))
        .onConflict((conflict) => conflict.column('id').doNothing())
        .executeTakeFirst();
      if (!created) throw new Refusal('conflict', 'an access key with this id already exists');
      await demandRecords(db, key.namespace);
      await recordEvents(db, [event]);
    });
  }

  /** Includes revoked keys. */
  get(id: string): Promise<AccessKey | undefined> {
    return this.#host.read(async (db) => {
      const found = await db
        .selectFrom('keys')
        .innerJoin('namespaces', 'namespaces.name', 'keys.namespace')
        .selectAll('keys')
        .select('namespaces.generation')
        .where('keys.id', '=', id)
        .executeTakeFirst();
      if (!found) return undefined;
      const { generation, ...row } = found;
      return { ...keyOf(row), generation: generation ?? undefined };
    });
  }

  /** Keys that are not revoked, by id; of one namespace, or of all. */
  list(namespace: string | null, page: Page): Promise<AccessKey[]> {
    return this.#host.page(async (db) => {
      let query = db
        .selectFrom('keys')
        .selectAll()
        .where('revoked_at', 'is', null)
        .where('id', '>', page.after ?? '');
      if (namespace !== null) query = query.where('namespace', '=', namespace);
      return (await query.orderBy('id').limit(page.limit).execute()).map(keyOf);
    });
  }

  /** Returns false if there was none, or it was revoked before. */
  revoke(id: string, at: number, event: Event): Promise<boolean> {
    return this.#host.write(async (db) => {
      const { numUpdatedRows } = await db
        .updateTable('keys')
        .set({ revoked_at: at })
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) return false;
      await recordEvents(db, [event]);
      return true;
    });
  }
}

function keyOf({ created_at, revoked_at, grants, ...row }: KeyRow): AccessKey {
  return { ...row, createdAt: created_at, revokedAt: revoked_at, grant: JSON.parse(grants) as Grant };
}

function rowOf({ createdAt, revokedAt, grant, generation: _, ...key }: AccessKey): KeyRow {
  return { ...key, created_at: createdAt, revoked_at: revokedAt, grants: JSON.stringify(grant) };
}
