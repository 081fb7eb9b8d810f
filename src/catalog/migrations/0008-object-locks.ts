import { sql } from 'kysely';
import type { Retention } from '../model.ts';
import type { Db } from '../host.ts';
import type { Migration } from './migration.ts';

/** Step 8: moves object locks from metadata into columns, so that the catalog can check them everywhere. */
export const locksStep: Migration = {
  name: 'object locks',
  async up(db) {
    const statements = [
      "alter table objects add column lock_mode text check (lock_mode in ('GOVERNANCE', 'COMPLIANCE'))",
      'alter table objects add column lock_until bigint',
      'alter table objects add column held smallint check (held in (0, 1))',
      'create index objects_locked on objects (bucket, key, idx) where held = 1 or lock_until is not null',
    ];
    for (const statement of statements) await sql.raw(statement).execute(db);
    await moveLocks(db);
  },
};

const batch = 500;

/** Scans the versions whose metadata may contain a lock. */
async function moveLocks(db: Db): Promise<void> {
  for (let after = { bucket: '', key: '', idx: 0 }; ;) {
    const rows = await db
      .selectFrom('objects')
      .select(['bucket', 'key', 'idx', 'about'])
      .where(sql<boolean>`(bucket, key, idx) > (${after.bucket}, ${after.key}, ${after.idx})`)
      .where((eb) => eb.or([eb('about', 'like', '%"retention":%'), eb('about', 'like', '%"held":%')]))
      .orderBy('bucket')
      .orderBy('key')
      .orderBy('idx')
      .limit(batch)
      .execute();
    for (const { bucket, key, idx, about } of rows) {
      const { retention, held, ...rest } = JSON.parse(about) as { retention?: Retention; held?: boolean };
      await db
        .updateTable('objects')
        .set({
          about: JSON.stringify(rest),
          lock_mode: retention?.mode ?? null,
          lock_until: retention?.until ?? null,
          held: held === undefined ? null : held ? 1 : 0,
        })
        .where('bucket', '=', bucket)
        .where('key', '=', key)
        .where('idx', '=', idx)
        .execute();
    }
    const last = rows.at(-1);
    if (!last || rows.length < batch) return;
    after = last;
  }
}
