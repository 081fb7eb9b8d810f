import { sql } from 'kysely';
import type { Migration } from './migration.ts';

/** Step 3: buckets, S3 metadata of versions, and access keys. */
export const bucketsStep: Migration = {
  name: 'buckets',
  async up(db, { keyed }) {
    for (const statement of [...tables(keyed), ...indexes]) await sql.raw(statement).execute(db);
  },
};

const tables = (keyed: string): string[] => [
  `create table buckets (
    name text not null primary key,
    namespace text not null references namespaces (name) on delete cascade,
    created_at bigint not null,
    versioning text not null check (versioning in ('off', 'enabled', 'suspended')),
    open smallint not null check (open in (0, 1)),
    settings text not null
  ) ${keyed}`,
  // A row for each version of an object, and for each delete marker, which has no version.
  `create table objects (
    bucket text not null,
    key text not null,
    idx bigint not null,
    artifact text not null,
    version_id text,
    current smallint not null check (current in (0, 1)),
    marker smallint not null check (marker in (0, 1)),
    etag text not null,
    about text not null,
    created_at bigint not null,
    primary key (bucket, key, idx)
  ) ${keyed}`,
  `create table multiparts (
    id text not null primary key,
    bucket text not null references buckets (name) on delete cascade,
    key text not null,
    namespace text not null,
    about text not null,
    created_at bigint not null,
    touched_at bigint not null,
    outcome text
  ) ${keyed}`,
  `create table parts (
    multipart text not null references multiparts (id) on delete cascade,
    number bigint not null,
    upload text not null,
    size bigint not null,
    etag text not null,
    about text not null,
    at bigint not null,
    primary key (multipart, number)
  ) ${keyed}`,
  `create table keys (
    id text not null primary key,
    namespace text not null references namespaces (name) on delete cascade,
    name text not null,
    sealed text not null,
    grants text not null,
    created_at bigint not null,
    revoked_at bigint
  ) ${keyed}`,
];

const indexes: readonly string[] = [
  'create index buckets_by_namespace on buckets (namespace, name)',
  'create unique index objects_current on objects (bucket, key) where current = 1',
  'create index objects_listed on objects (bucket, key) where current = 1 and marker = 0',
  'create index objects_by_artifact on objects (artifact, idx)',
  'create index multiparts_by_bucket on multiparts (bucket, key, id) where outcome is null',
  'create index multiparts_by_time on multiparts (touched_at)',
  'create index parts_by_upload on parts (upload)',
  'create index keys_by_namespace on keys (namespace, id)',
];
