import { sql } from 'kysely';
import type { Migration } from './migration.ts';

/** Step 7: releases, their files, slots, download tokens, and idempotency reservations. */
export const releasesStep: Migration = {
  name: 'releases',
  async up(db, { keyed }) {
    for (const statement of [...tables(keyed), ...indexes]) await sql.raw(statement).execute(db);
  },
};

const tables = (keyed: string): string[] => [
  `create table releases (
    id text not null primary key,
    namespace text not null references namespaces (name) on delete cascade,
    product text not null,
    version text not null,
    status text not null check (status in ('draft', 'published')),
    created_at bigint not null,
    published_at bigint,
    check ((status = 'published') = (published_at is not null))
  ) ${keyed}`,
  `create table slots (
    id text not null primary key,
    release text not null references releases (id) on delete cascade,
    bucket text not null,
    key text not null,
    platform text not null,
    file_name text not null,
    outside smallint not null check (outside in (0, 1)),
    created_at bigint not null,
    expires_at bigint not null
  ) ${keyed}`,
  // The artifact with the same id keeps the bytes; those of a foreign file are in its store.
  `create table release_files (
    id text not null primary key,
    release text not null references releases (id) on delete cascade,
    bucket text not null,
    key text not null,
    platform text not null,
    file_name text not null,
    size bigint not null,
    sha256 text not null,
    blob text,
    etag text not null,
    about text not null,
    version_id text,
    request text not null,
    created_at bigint not null
  ) ${keyed}`,
  `create table downloads (
    id text not null primary key,
    verifier text not null,
    file text not null references release_files (id) on delete cascade,
    customer text not null,
    api_key text not null,
    purpose text,
    created_at bigint not null,
    expires_at bigint not null
  ) ${keyed}`,
  `create table reservations (
    id text not null primary key,
    fingerprint text not null,
    seed text not null,
    owner text,
    lease_until bigint not null,
    outcome text,
    created_at bigint not null,
    expires_at bigint not null
  ) ${keyed}`,
];

const indexes: readonly string[] = [
  'create unique index releases_by_version on releases (namespace, product, version)',
  'create index releases_by_time on releases (namespace, created_at, id)',
  'create index slots_by_release on slots (release)',
  'create index slots_by_time on slots (expires_at)',
  'create unique index release_files_by_key on release_files (release, key)',
  'create index release_files_by_object on release_files (bucket, key)',
  'create unique index downloads_by_verifier on downloads (verifier)',
  'create index downloads_by_file on downloads (file)',
  'create index downloads_by_time on downloads (expires_at)',
  'create index reservations_by_time on reservations (expires_at)',
];
