import { sql } from 'kysely';
import type { Migration } from './migration.ts';

/** Step 14: generations distinguish buckets that had the same name. Existing buckets have none; later ones have one. */
export const bucketGenerationsStep: Migration = {
  name: 'generations of buckets',
  async up(db) {
    await sql.raw('alter table buckets add column generation text').execute(db);
  },
};
