import { sql } from 'kysely';
import type { Migration } from './migration.ts';

/** Step 5: inline bytes of small contents. They are deleted with their content. */
export const smallStep: Migration = {
  name: 'small contents',
  async up(db, { keyed, bytes }) {
    await sql
      .raw(
        `create table small_contents (
        sha512 text not null primary key references contents (sha512) on delete cascade,
        bytes ${bytes} not null
      ) ${keyed}`,
      )
      .execute(db);
  },
};
