/**
 * Step 1: every table and index of the first release, in SQL that SQLite and PostgreSQL share.
 *
 * Most indexes end with the key that a listing is ordered by, so that a page costs only its rows. Partial indexes
 * contain only rows that queries look for.
 */
import { sql } from 'kysely';
import type { Dialect, TriggerRule } from '../dialect.ts';
import type { Migration } from './migration.ts';

export const foundation: Migration = {
  name: 'foundation',
  async up(db, dialect) {
    const statements = [...tables(dialect), ...indexes, ...counters.flatMap((rule) => dialect.trigger(rule))];
    for (const statement of statements) await sql.raw(statement).execute(db);
    await sql.raw('insert into totals values (0, 0, 0, 0, 0, 0, 0)').execute(db);
  },
};

function tables({ keyed, serial }: Dialect): string[] {
  return [
    `create table namespaces (
      name text not null primary key,
      created_at bigint not null
    ) ${keyed}`,
    `create table trusts (
      namespace text not null references namespaces (name) on delete cascade,
      trusted text not null references namespaces (name) on delete cascade,
      primary key (namespace, trusted)
    ) ${keyed}`,
    `create table credentials (
      namespace text not null references namespaces (name) on delete cascade,
      name text not null,
      verifier text not null,
      nonce text not null,
      created_at bigint not null,
      primary key (namespace, name)
    ) ${keyed}`,
    `create table uploads (
      id text not null primary key,
      namespace text not null references namespaces (name) on delete cascade,
      state text not null check (state in ('open', 'sealed', 'dropped')),
      "offset" bigint not null check ("offset" >= 0),
      length bigint check (length >= 0),
      last_start bigint,
      last_answered smallint not null,
      created_at bigint not null,
      touched_at bigint not null,
      ended_at bigint,
      outcome_artifact text,
      outcome_index bigint,
      outcome_blob text,
      check ((state = 'open') = (ended_at is null)),
      check ((state = 'sealed') = (outcome_artifact is not null))
    ) ${keyed}`,
    `create table contents (
      sha512 text not null primary key,
      size bigint not null check (size >= 0),
      address text not null,
      state text not null check (state in ('good', 'rotten', 'missing')),
      created_at bigint not null,
      scrubbed_at bigint
    ) ${keyed}`,
    `create table digests (
      sha512 text not null references contents (sha512) on delete cascade,
      algorithm text not null,
      hex text not null,
      primary key (sha512, algorithm)
    ) ${keyed}`,
    `create table blobs (
      uuid text not null primary key,
      namespace text not null,
      sha512 text not null references contents (sha512) on delete restrict,
      created_at bigint not null,
      used_at bigint,
      media_type text not null,
      released_at bigint
    ) ${keyed}`,
    `create table artifacts (
      uuid text not null primary key,
      namespace text not null,
      type text not null check (type in ('image', 'snapshot', 'label', 'other')),
      name text not null,
      source_url text not null,
      state text not null check (state in ('initial', 'created', 'deleted', 'error')),
      fault text,
      shared smallint not null check (shared in (0, 1)),
      max_versions bigint not null check (max_versions >= 0),
      last_index bigint not null check (last_index >= 0),
      created_at bigint not null,
      deleted_at bigint,
      memory text,
      check ((state = 'deleted') = (deleted_at is not null)),
      check ((state = 'deleted') = (memory is not null))
    ) ${keyed}`,
    `create table versions (
      artifact text not null references artifacts (uuid) on delete restrict,
      idx bigint not null check (idx > 0),
      blob text not null references blobs (uuid) on delete restrict,
      size bigint not null,
      created_at bigint not null,
      namespace text not null,
      shared smallint not null check (shared in (0, 1)),
      primary key (artifact, idx)
    ) ${keyed}`,
    `create table events (
      id ${serial},
      subject text not null,
      subject_id text not null,
      at bigint not null,
      type text not null,
      message text not null,
      duration double precision,
      extra text not null
    )`,
    `create table metadata (
      subject text not null,
      subject_id text not null,
      key text not null,
      value text not null,
      primary key (subject, subject_id, key)
    ) ${keyed}`,
    `create table totals (
      contents bigint not null,
      bytes bigint not null,
      blobs bigint not null,
      artifacts bigint not null,
      versions bigint not null,
      named_bytes bigint not null,
      open_uploads bigint not null
    )`,
  ];
}

const indexes: readonly string[] = [
  'create index trusts_by_trusted on trusts (trusted, namespace)',
  'create index uploads_by_namespace on uploads (namespace, state, id)',
  "create index uploads_open on uploads (id) where state = 'open'",
  'create index uploads_ended on uploads (ended_at) where ended_at is not null',
  'create unique index contents_by_address on contents (address)',
  'create index contents_by_scrub on contents (coalesce(scrubbed_at, created_at), sha512)',
  'create index digests_by_hex on digests (algorithm, hex)',
  // One blob for each namespace and content; also finds the blobs of a content.
  'create unique index blobs_by_content on blobs (sha512, namespace)',
  'create index blobs_released on blobs (released_at) where released_at is not null',
  // Concurrent publications of the same source share one artifact.
  'create unique index artifacts_by_source on artifacts (namespace, type, source_url) where deleted_at is null',
  'create index artifacts_by_namespace on artifacts (namespace, type, uuid) where deleted_at is null',
  'create index artifacts_by_type on artifacts (type, uuid) where deleted_at is null',
  'create index artifacts_by_name on artifacts (name, namespace, uuid) where deleted_at is null',
  'create index artifacts_shared on artifacts (type, uuid) where shared = 1 and deleted_at is null',
  'create index artifacts_shared_by_namespace on artifacts (namespace, type, uuid) where shared = 1 and deleted_at is null',
  'create index artifacts_shared_by_name on artifacts (name, uuid) where shared = 1 and deleted_at is null',
  "create index artifacts_pending on artifacts (uuid) where state = 'initial'",
  'create index artifacts_deleted on artifacts (deleted_at) where deleted_at is not null',
  'create index versions_by_blob on versions (blob)',
  'create index versions_by_namespace on versions (namespace, blob)',
  'create index versions_shared on versions (blob) where shared = 1',
  'create index events_by_subject on events (subject, subject_id, type, id)',
  'create index events_by_time on events (at)',
];

/** Triggers maintain the counters, so that no statement can miss one. */
function counter(name: string, table: string, event: string, condition: string, change: string): TriggerRule {
  return { name, table, event, condition, action: `update totals set ${change}` };
}

const counters: readonly TriggerRule[] = [
  counter('content_added', 'contents', 'insert', '1 = 1', 'contents = contents + 1, bytes = bytes + new.size'),
  counter('content_gone', 'contents', 'delete', '1 = 1', 'contents = contents - 1, bytes = bytes - old.size'),
  counter('blob_added', 'blobs', 'insert', '1 = 1', 'blobs = blobs + 1'),
  counter('blob_gone', 'blobs', 'delete', '1 = 1', 'blobs = blobs - 1'),
  counter('artifact_added', 'artifacts', 'insert', 'new.deleted_at is null', 'artifacts = artifacts + 1'),
  counter(
    'artifact_deleted',
    'artifacts',
    'update of deleted_at',
    'old.deleted_at is null and new.deleted_at is not null',
    'artifacts = artifacts - 1',
  ),
  counter(
    'version_added',
    'versions',
    'insert',
    '1 = 1',
    'versions = versions + 1, named_bytes = named_bytes + new.size',
  ),
  counter(
    'version_gone',
    'versions',
    'delete',
    '1 = 1',
    'versions = versions - 1, named_bytes = named_bytes - old.size',
  ),
  counter('upload_begun', 'uploads', 'insert', "new.state = 'open'", 'open_uploads = open_uploads + 1'),
  counter(
    'upload_ended',
    'uploads',
    'update of state',
    "old.state = 'open' and new.state <> 'open'",
    'open_uploads = open_uploads - 1',
  ),
  counter('upload_gone', 'uploads', 'delete', "old.state = 'open'", 'open_uploads = open_uploads - 1'),
];
