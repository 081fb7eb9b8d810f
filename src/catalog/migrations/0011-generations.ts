import { sql } from 'kysely';
import type { Migration } from './migration.ts';

/**
 * Step 11: a namespace has a generation, which differs from that of every other namespace that had its name. Namespaces of before have
 * none, as have the grants to them of before: these stay good, and a namespace that is made later gets nothing by them.
 */
export const generationsStep: Migration = {
  name: 'generations of namespaces',
  async up(db) {
    await sql.raw('alter table namespaces add column generation text').execute(db);
  },
};
