/** The facts, written once, for whatever database a host brings. */
import type { Catalog } from '../../core/engine.ts';
import { Artifacts } from './artifacts.ts';
import { Blobs } from './blobs.ts';
import { Buckets } from './buckets.ts';
import { Contents } from './contents.ts';
import type { Host } from './host.ts';
import { Journal } from './journal.ts';
import { Keys } from './keys.ts';
import { Ledgers } from './ledgers.ts';
import { Namespaces } from './namespaces.ts';
import { Parts } from './parts.ts';
import { Uploads } from './uploads.ts';

export { smallAddress } from './contents.ts';
export { sqliteDialect } from './dialect.ts';
export type { Db, Host } from './host.ts';
export { migrate } from './migrations.ts';
export type { Tables } from './schema.ts';

/** The catalog on `host`, whose schema `migrate` has brought up to date. */
export function catalogOn(host: Host): Catalog {
  return {
    namespaces: new Namespaces(host),
    uploads: new Uploads(host),
    artifacts: new Artifacts(host),
    blobs: new Blobs(host),
    contents: new Contents(host),
    buckets: new Buckets(host),
    parts: new Parts(host),
    ledgers: new Ledgers(host),
    keys: new Keys(host),
    journal: new Journal(host),
  };
}
