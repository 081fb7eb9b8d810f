import type { Migration } from './migrations.ts';

/** Step 2: what the creator of an upload said of it. */
export const aboutUploads: Migration = {
  name: 'about uploads',
  async up(db) {
    await db.schema.alterTable('uploads').addColumn('about', 'text').execute();
  },
};
