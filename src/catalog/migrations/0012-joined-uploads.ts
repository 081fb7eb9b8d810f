import { sql } from 'kysely';
import type { Migration } from './migration.ts';

/** Step 12: finds the uploads that wait for a part. */
export const joinedStep: Migration = {
  name: 'uploads that wait for others',
  async up(db, { keyed }) {
    const statements = [
      `create table joined_parts (
        part text not null,
        upload text not null references uploads (id) on delete cascade,
        primary key (part, upload)
      ) ${keyed}`,
      'create index joined_parts_by_upload on joined_parts (upload)',
    ];
    for (const statement of statements) await sql.raw(statement).execute(db);
    const finals = await db
      .selectFrom('uploads')
      .select(['id', 'about'])
      .where('state', '=', 'open')
      .where('about', 'like', '%"concat":"final;%')
      .execute();
    for (const { id: upload, about } of finals) {
      const parts = [...about!.matchAll(/\/tus\/([0-9a-f-]{36})/g)].map(([, part]) => part!);
      for (const part of new Set(parts)) await db.insertInto('joined_parts').values({ part, upload }).execute();
    }
  },
};
