/** The catalog on any host's database. */
import { Artifacts } from './artifacts.ts';
import { Audits } from './releases/audits.ts';
import { Blobs } from './blobs.ts';
import { Buckets } from './buckets.ts';
import { Contents } from './contents.ts';
import { Downloads } from './releases/downloads.ts';
import { Customers } from './releases/customers.ts';
import type { Host } from './host.ts';
import { Idempotency } from './idempotency.ts';
import { Events } from './events.ts';
import { AccessKeys } from './access-keys.ts';
import { Usage } from './usage.ts';
import { Namespaces } from './namespaces.ts';
import { MultipartUploads } from './multipart.ts';
import { Releases } from './releases/releases.ts';
import { Uploads } from './uploads.ts';

export { smallAddress } from './contents.ts';
export { sqliteDialect } from './dialect.ts';
export type { Db, Host } from './host.ts';
export { migrate } from './migrations/index.ts';
export type { Tables } from './schema.ts';

/** The catalog on `host`. Its schema must be migrated. */
export function catalogOn(host: Host) {
  return {
    namespaces: new Namespaces(host),
    uploads: new Uploads(host),
    artifacts: new Artifacts(host),
    blobs: new Blobs(host),
    contents: new Contents(host),
    buckets: new Buckets(host),
    multipart: new MultipartUploads(host),
    usage: new Usage(host),
    accessKeys: new AccessKeys(host),
    releases: new Releases(host),
    downloads: new Downloads(host),
    idempotency: new Idempotency(host),
    customers: new Customers(host),
    audits: new Audits(host),
    events: new Events(host),
  };
}

/** The public methods of a class. */
type Facts<T> = { readonly [method in keyof T]: T[method] };
type Nouns = ReturnType<typeof catalogOn>;

/** Every method is one atomic operation that is durable when its promise resolves. */
export type Catalog = { readonly [noun in keyof Nouns]: Facts<Nouns[noun]> };
