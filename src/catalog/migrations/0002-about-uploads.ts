import type { Migration } from './migration.ts';

/** Step 2: metadata and declared digest of uploads. */
export const aboutUploads: Migration = {
  name: 'about uploads',
  async up(db) {
    await db.schema.alterTable('uploads').addColumn('about', 'text').execute();
    await db.schema.alterTable('uploads').addColumn('expects', 'text').execute();
    await db.schema
      .createIndex('uploads_promised')
      .on('uploads')
      .columns(['expects', 'id'])
      .where('expects', 'is not', null)
      .execute();
  },
};
