import { sql } from 'kysely';
import type { Migration } from './migration.ts';

/**
 * Step 9: records of deleted namespaces are found by name; metadata counts as stored; the catalog records the wall
 * clock and its jumps.
 */
export const upkeepStep: Migration = {
  name: 'upkeep',
  async up(db, dialect) {
    const owner = `case subject
      when 'artifact' then (select namespace from artifacts where uuid = subject_id)
      when 'blob' then (select namespace from blobs where uuid = subject_id)
      when 'namespace' then subject_id end`;
    const change = (sign: string, row: string): string =>
      `update ledgers set stored = stored ${sign} ${row}.size where namespace = ${row}.namespace`;
    const rule = (name: string, event: string, action: string): readonly string[] =>
      dialect.trigger({ name, table: 'metadata', event, condition: '1 = 1', action });
    const statements = [
      'create index artifacts_deleted_by_namespace on artifacts (namespace) where deleted_at is not null',
      'create index blobs_by_namespace on blobs (namespace)',
      'alter table metadata add column namespace text',
      'alter table metadata add column size bigint not null default 0',
      `update metadata set namespace = ${owner}, size = length(key) + length(value)`,
      `update ledgers set stored = stored + coalesce((select sum(size) from metadata where metadata.namespace = ledgers.namespace), 0)`,
      ...rule('notes_more', 'insert', change('+', 'new')),
      ...rule('notes_less', 'delete', change('-', 'old')),
      ...rule('notes_changed', 'update of size', `${change('+', 'new')}; ${change('-', 'old')}`),
      `create table clock_gaps (ends bigint not null primary key, length bigint not null) ${dialect.keyed}`,
      `create table clock_seen (seen bigint not null primary key) ${dialect.keyed}`,
    ];
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};
