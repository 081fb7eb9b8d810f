import { sql } from 'kysely';
import type { TriggerRule } from '../dialect.ts';
import type { Migration } from './migration.ts';

/** Step 4: stored and sent bytes of each namespace, maintained by triggers so that no statement can miss one. */
export const ledgersStep: Migration = {
  name: 'ledgers',
  async up(db, dialect) {
    const statements = [
      `create table ledgers (
        namespace text not null primary key references namespaces (name) on delete cascade,
        stored bigint not null,
        quota bigint check (quota >= 0),
        month text not null,
        sent bigint not null,
        allowance bigint check (allowance >= 0)
      ) ${dialect.keyed}`,
      `insert into ledgers select name, coalesce((select sum(size) from versions where versions.namespace = name), 0), null, '', 0, null from namespaces`,
      ...rules.flatMap((rule) => dialect.trigger(rule)),
    ];
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};

const rule = (name: string, table: string, event: string, action: string): TriggerRule => ({
  name,
  table,
  event,
  condition: '1 = 1',
  action,
});

const rules: readonly TriggerRule[] = [
  rule('ledger_opened', 'namespaces', 'insert', "insert into ledgers values (new.name, 0, null, '', 0, null)"),
  rule(
    'ledger_more',
    'versions',
    'insert',
    'update ledgers set stored = stored + new.size where namespace = new.namespace',
  ),
  rule(
    'ledger_less',
    'versions',
    'delete',
    'update ledgers set stored = stored - old.size where namespace = old.namespace',
  ),
];
