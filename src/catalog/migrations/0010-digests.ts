import { sql } from 'kysely';
import type { Migration } from './migration.ts';

/**
 * Step 10: digests belong to blobs instead of contents, so that a digest computed for one namespace reveals nothing to
 * others. Existing digests are copied to every blob.
 */
export const digestsStep: Migration = {
  name: 'digests of blobs',
  async up(db, { keyed }) {
    const statements = [
      `create table blob_digests (
        blob text not null references blobs (uuid) on delete cascade,
        algorithm text not null,
        hex text not null,
        primary key (blob, algorithm)
      ) ${keyed}`,
      `insert into blob_digests select blobs.uuid, digests.algorithm, digests.hex
        from blobs join digests on digests.sha512 = blobs.sha512`,
      'drop table digests',
      'create index blob_digests_by_hex on blob_digests (algorithm, hex)',
    ];
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};
