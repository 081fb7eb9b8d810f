import type { Migration } from './migration.ts';

/** Step 2: what the creator of an upload said of it, and promised of its bytes. */
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
