import { sql } from 'kysely';
import type { Migration } from './migration.ts';

/**
 * Step 14: a bucket has a generation, which differs from that of every other bucket that had its name. Buckets of before have none; one
 * that is made later under the name of such a bucket has one.
 */
export const bucketGenerationsStep: Migration = {
  name: 'generations of buckets',
  async up(db) {
    await sql.raw('alter table buckets add column generation text').execute(db);
  },
};
