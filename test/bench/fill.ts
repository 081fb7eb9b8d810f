/** Stores that are filled before they are measured. */
import { createHash, randomUUID } from 'node:crypto';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { contentOf, eventOf, uploadOf } from '../support/records.ts';
import { openCatalog } from './built.ts';
import { fullBucket, fullKey } from './full.ts';

/** A folder in which a server that keeps objects as files has `keys` empty ones. */
export function fillTree(folder: string, keys: number): void {
  mkdirSync(join(folder, fullBucket));
  for (let n = 0; n < keys; n += 1) closeSync(openSync(join(folder, fullBucket, fullKey(n)), 'w'));
}

/** A storage folder whose catalog has `keys` objects: one is put in through the port, and the database makes all others like it. */
export async function fillCatalog(folder: string, keys: number): Promise<void> {
  const path = join(folder, 'catalog.sqlite');
  const { catalog, close } = await openCatalog({ path, strict: false, onFault: console.error });
  const event = eventOf('bucket', fullBucket);
  await catalog.namespaces.create({ name: 'system', createdAt: 1, trusts: [] }, [], event);
  await catalog.buckets.create(
    { name: fullBucket, namespace: 'system', createdAt: 1, versioning: 'off', open: false, settings: {} },
    event,
  );
  const upload = uploadOf('system', { offset: 5 });
  await catalog.uploads.begin(upload);
  const name = `${fullBucket}/${fullKey(0)}`;
  const published = await catalog.artifacts.publish({
    target: {
      namespace: 'system',
      type: 'other',
      name,
      sourceUrl: `s3://${name}`,
      shared: false,
      maxVersions: 0,
      setMaxVersions: false,
      createOnly: false,
    },
    source: {
      kind: 'upload',
      upload: upload.id,
      content: contentOf('12345'),
      mediaType: 'text/plain',
    },
    object: {
      bucket: { name: fullBucket },
      key: fullKey(0),
      versionId: randomUUID(),
      etag: createHash('md5').update('12345').digest('hex'),
      about: JSON.stringify({ type: 'text/plain', headers: {}, meta: {}, checksums: {} }),
      lock: { retention: null, held: null },
      conditions: {},
    },
    fresh: { artifact: randomUUID(), blob: randomUUID() },
    at: Date.now(),
    by: 'system',
  });
  if (typeof published === 'string') throw new Error(`the catalog does not take an object: ${published}`);
  await close();
  multiply(path, keys);
}

function multiply(path: string, keys: number): void {
  const database = new DatabaseSync(path);
  database.exec('pragma synchronous = off; pragma cache_size = -1000000; pragma foreign_keys = off');
  const uuid = "printf('%08x-0000-4000-8000-%012x', n, n)";
  const key = "printf('k%08d', n)";
  const other: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    artifacts: { uuid, name: `'${fullBucket}/' || ${key}`, source_url: `'s3://${fullBucket}/' || ${key}` },
    versions: { artifact: uuid },
    objects: { artifact: uuid, key },
  };
  database.exec('begin');
  for (const [table, columns] of Object.entries(other)) {
    const names = (database.prepare(`select name from pragma_table_info('${table}')`).all() as { name: string }[]).map(
      (column) => column.name,
    );
    database.exec(`insert into ${table} (${names.join()}) with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < ${keys - 1})
      select ${names.map((column) => columns[column] ?? `one.${column}`).join()} from numbers, (select * from ${table} limit 1) as one`);
  }
  database.exec('commit; analyze; pragma wal_checkpoint(truncate)');
  database.close();
}
