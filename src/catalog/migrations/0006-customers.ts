import { sql } from 'kysely';
import type { Migration } from './migration.ts';

/** Step 6: customers, their entitlements and API keys, and the audit log. */
export const customersStep: Migration = {
  name: 'customers',
  async up(db, { keyed }) {
    for (const statement of [...tables(keyed), ...indexes]) await sql.raw(statement).execute(db);
  },
};

const tables = (keyed: string): string[] => [
  `create table customers (
    id text not null primary key,
    namespace text not null references namespaces (name) on delete cascade,
    name text not null,
    plan text,
    folded_name text not null,
    folded_plan text,
    created_at bigint not null,
    suspended_at bigint
  ) ${keyed}`,
  `create table entitlements (
    id text not null primary key,
    customer text not null references customers (id) on delete cascade,
    product text not null,
    starts_at bigint not null,
    ends_at bigint check (ends_at >= starts_at),
    metadata text
  ) ${keyed}`,
  `create table customer_keys (
    id text not null primary key,
    customer text not null references customers (id) on delete cascade,
    name text,
    type text not null check (type in ('human', 'ci', 'integration')),
    scopes text not null,
    verifier text not null,
    expires_at bigint,
    created_at bigint not null,
    revoked_at bigint,
    last_used_at bigint
  ) ${keyed}`,
  // Also records unidentified attempts, so it has no foreign keys.
  `create table audits (
    id text not null primary key,
    namespace text not null,
    customer text,
    actor text not null,
    event text not null,
    payload text not null,
    at bigint not null
  ) ${keyed}`,
];

const indexes: readonly string[] = [
  'create index customers_by_time on customers (namespace, created_at, id)',
  'create index entitlements_by_start on entitlements (customer, starts_at, id)',
  'create unique index customer_keys_by_verifier on customer_keys (verifier)',
  'create index customer_keys_by_customer on customer_keys (customer)',
  'create index audits_by_namespace on audits (namespace, at, id)',
  'create index audits_by_customer on audits (namespace, customer, at, id)',
  'create index audits_by_time on audits (at)',
];
