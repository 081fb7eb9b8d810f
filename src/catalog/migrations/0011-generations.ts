import { sql } from 'kysely';
import type { Migration } from './migration.ts';

/**
 * Step 11: generations distinguish namespaces that had the same name. Existing namespaces and grants to them have none;
 * these grants stay valid, and a later namespace gains nothing from them.
 */
export const generationsStep: Migration = {
  name: 'generations of namespaces',
  async up(db) {
    await sql.raw('alter table namespaces add column generation text').execute(db);
  },
};
