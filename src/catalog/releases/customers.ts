import { sql } from 'kysely';
import type { TimePage } from '../facts.ts';
import type { CustomerFilter } from './facts.ts';
import type { Customer, CustomerKey, Entitlement, Event, Scope } from '../model.ts';
import { Refusal } from '../../core/refusal.ts';
import type { Db, Host } from '../host.ts';
import { demandNamespace, recordEvents } from '../events.ts';
import { demandRecords, withinQuota } from '../quota.ts';
import type { CustomerKeyRow, CustomerRow, EntitlementRow } from '../schema.ts';

export class Customers {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /**
   * Returns the customer with that id, which may already exist.
   *
   * @throws Refusal `not_found` if the namespace was deleted
   */
  create(customer: Customer, event: Event): Promise<Customer> {
    return this.#host.write(async (db) => {
      await demandNamespace(db, { namespace: customer.namespace });
      const { numInsertedOrUpdatedRows: created } = await db
        .insertInto('customers')
        .values(rowOf(customer))
        .onConflict((conflict) => conflict.column('id').doNothing())
        .executeTakeFirst();
      if (created) {
        await demandRecords(db, customer.namespace);
        await recordEvents(db, [event]);
      }
      return (await find(db, customer.id))!;
    });
  }

  get(id: string): Promise<Customer | undefined> {
    return this.#host.read((db) => find(db, id));
  }

  /** Newest first. */
  list(
    namespace: string,
    { id, name, plan }: CustomerFilter,
    { behind, offset, limit }: TimePage,
  ): Promise<Customer[]> {
    return this.#host.page(async (db) => {
      let query = db.selectFrom('customers').selectAll().where('namespace', '=', namespace);
      if (id !== undefined) query = query.where('id', '=', id);
      if (name !== undefined)
        query = query.where(
          sql<boolean>`folded_name like ${`%${fold(name).replaceAll(/[\\%_]/g, '\\$&')}%`} escape '\\'`,
        );
      if (plan !== undefined) query = query.where('folded_plan', '=', fold(plan));
      if (behind) query = query.where(sql<boolean>`(created_at, id) < (${behind.at}, ${behind.id})`);
      return (
        await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).offset(offset).execute()
      ).map(customerOf);
    });
  }

  change(
    id: string,
    change: Partial<Pick<Customer, 'name' | 'plan' | 'suspendedAt'>>,
    event: Event,
  ): Promise<Customer | undefined> {
    return this.#host.write(async (db) => {
      const found = await find(db, id);
      if (!found) return undefined;
      const changed = { ...found, ...change };
      await withinQuota(db, found.namespace, () =>
        db.updateTable('customers').set(rowOf(changed)).where('id', '=', id).execute(),
      );
      await recordEvents(db, [event]);
      return changed;
    });
  }

  /** Returns the entitlement with that id, which may already exist; undefined if the customer is gone. */
  entitle(entitlement: Entitlement, event: Event): Promise<Entitlement | undefined> {
    return this.#host.write(async (db) => {
      const customer = await find(db, entitlement.customer);
      if (!customer) return undefined;
      const { startsAt: starts_at, endsAt: ends_at, ...rest } = entitlement;
      const { numInsertedOrUpdatedRows: created } = await db
        .insertInto('entitlements')
        .values({ ...rest, starts_at, ends_at })
        .onConflict((conflict) => conflict.column('id').doNothing())
        .executeTakeFirst();
      if (created) {
        await demandRecords(db, customer.namespace);
        await recordEvents(db, [event]);
      }
      return findEntitlement(db, entitlement.customer, entitlement.id);
    });
  }

  /** By start. */
  entitlements(
    customer: string,
    product: string | undefined,
    { behind, offset, limit }: TimePage,
  ): Promise<Entitlement[]> {
    return this.#host.read(async (db) => {
      let query = db.selectFrom('entitlements').selectAll().where('customer', '=', customer);
      if (product !== undefined) query = query.where('product', '=', product);
      if (behind) query = query.where(sql<boolean>`(starts_at, id) > (${behind.at}, ${behind.id})`);
      return (await query.orderBy('starts_at').orderBy('id').limit(limit).offset(offset).execute()).map(entitlementOf);
    });
  }

  /** @throws Refusal `ends_too_early` */
  changeEntitlement(
    customer: string,
    id: string,
    change: Partial<Omit<Entitlement, 'id' | 'customer'>>,
    event: Event,
  ): Promise<Entitlement | undefined> {
    return this.#host.write(async (db) => {
      const found = await findEntitlement(db, customer, id);
      if (!found) return undefined;
      const changed = { ...found, ...change };
      if (changed.endsAt !== null && changed.endsAt < changed.startsAt) throw endsTooEarly();
      const { product, startsAt: starts_at, endsAt: ends_at, metadata } = changed;
      const { namespace } = (await find(db, customer))!;
      await withinQuota(db, namespace, () =>
        db.updateTable('entitlements').set({ product, starts_at, ends_at, metadata }).where('id', '=', id).execute(),
      );
      await recordEvents(db, [event]);
      return changed;
    });
  }

  dropEntitlement(customer: string, id: string, event: Event): Promise<boolean> {
    return this.#host.write(async (db) => {
      const { numDeletedRows } = await db
        .deleteFrom('entitlements')
        .where('id', '=', id)
        .where('customer', '=', customer)
        .executeTakeFirst();
      if (numDeletedRows === 0n) return false;
      await recordEvents(db, [event]);
      return true;
    });
  }

  /** Products that the customer may have at that time. */
  entitled(customer: string, at: number): Promise<string[]> {
    return this.#host.read(async (db) => {
      const rows = await db
        .selectFrom('entitlements')
        .select('product')
        .distinct()
        .where('customer', '=', customer)
        .where('starts_at', '<=', at)
        .where((eb) => eb.or([eb('ends_at', 'is', null), eb('ends_at', '>=', at)]))
        .orderBy('product')
        .execute();
      return rows.map(({ product }) => product);
    });
  }

  /** Returns false if the namespace has no such customer. */
  addKey(namespace: string, key: CustomerKey, event: Event): Promise<boolean> {
    return this.#host.write(async (db) => {
      if ((await find(db, key.customer))?.namespace !== namespace) return false;
      const {
        expiresAt: expires_at,
        createdAt: created_at,
        revokedAt: revoked_at,
        lastUsedAt: last_used_at,
        scopes,
        ...rest
      } = key;
      await db
        .insertInto('customer_keys')
        .values({ ...rest, scopes: JSON.stringify(scopes), expires_at, created_at, revoked_at, last_used_at })
        .execute();
      await demandRecords(db, namespace);
      await recordEvents(db, [event]);
      return true;
    });
  }

  key(id: string): Promise<{ key: CustomerKey; customer: Customer } | undefined> {
    return this.#host.read(async (db) =>
      withCustomer(db, await db.selectFrom('customer_keys').selectAll().where('id', '=', id).executeTakeFirst()),
    );
  }

  /** The key with that verifier, even if it is revoked or expired. */
  proved(verifier: string): Promise<{ key: CustomerKey; customer: Customer } | undefined> {
    return this.#host.read(async (db) =>
      withCustomer(
        db,
        await db.selectFrom('customer_keys').selectAll().where('verifier', '=', verifier).executeTakeFirst(),
      ),
    );
  }

  /** Returns false if there was none, or it was revoked before. */
  revokeKey(id: string, at: number, event: Event): Promise<boolean> {
    return this.#host.write(async (db) => {
      const { numUpdatedRows } = await db
        .updateTable('customer_keys')
        .set({ revoked_at: at })
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) return false;
      await recordEvents(db, [event]);
      return true;
    });
  }

  /** Records when keys were last used. */
  used(marks: readonly (readonly [id: string, at: number])[]): Promise<void> {
    return this.#host.write(async (db) => {
      for (const [id, at] of marks)
        await db.updateTable('customer_keys').set({ last_used_at: at }).where('id', '=', id).execute();
    });
  }
}

export function endsTooEarly(): Refusal {
  return new Refusal('ends_too_early', 'an entitlement must not end before it starts');
}

async function find(db: Db, id: string): Promise<Customer | undefined> {
  const row = await db.selectFrom('customers').selectAll().where('id', '=', id).executeTakeFirst();
  return row && customerOf(row);
}

async function findEntitlement(db: Db, customer: string, id: string): Promise<Entitlement | undefined> {
  const row = await db
    .selectFrom('entitlements')
    .selectAll()
    .where('id', '=', id)
    .where('customer', '=', customer)
    .executeTakeFirst();
  return row && entitlementOf(row);
}

async function withCustomer(
  db: Db,
  row: CustomerKeyRow | undefined,
): Promise<{ key: CustomerKey; customer: Customer } | undefined> {
  const customer = row && (await find(db, row.customer));
  return customer && { key: keyOf(row), customer };
}

/** Lower case, because SQLite folds only ASCII. */
function fold(text: string): string {
  return text.toLowerCase();
}

function rowOf({ createdAt: created_at, suspendedAt: suspended_at, ...customer }: Customer): CustomerRow {
  return {
    ...customer,
    folded_name: fold(customer.name),
    folded_plan: customer.plan === null ? null : fold(customer.plan),
    created_at,
    suspended_at,
  };
}

function customerOf({
  created_at,
  suspended_at,
  folded_name: _name,
  folded_plan: _plan,
  ...customer
}: CustomerRow): Customer {
  return { ...customer, createdAt: created_at, suspendedAt: suspended_at };
}

function entitlementOf({ starts_at, ends_at, ...entitlement }: EntitlementRow): Entitlement {
  return { ...entitlement, startsAt: starts_at, endsAt: ends_at };
}

function keyOf({ expires_at, created_at, revoked_at, last_used_at, scopes, ...key }: CustomerKeyRow): CustomerKey {
  return {
    ...key,
    scopes: JSON.parse(scopes) as Scope[],
    expiresAt: expires_at,
    createdAt: created_at,
    revokedAt: revoked_at,
    lastUsedAt: last_used_at,
  };
}
