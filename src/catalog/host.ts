import type { Kysely } from 'kysely';
import type { Dialect } from './dialect.ts';
import type { Tables } from './schema.ts';

export type Db = Kysely<Tables>;

/**
 * Access of the catalog to its database.
 *
 * A `write` is atomic, durable when its promise resolves, and isolated from other writes. A host with concurrent
 * transactions must make them serializable and retry conflicts.
 */
export interface Host {
  readonly dialect: Dialect;
  /** Runs read-only queries on one consistent state. */
  read<T>(work: (db: Db) => Promise<T>): Promise<T>;
  /** A read of many rows. Short reads and writes may run before it. */
  page<T>(work: (db: Db) => Promise<T>): Promise<T>;
  write<T>(work: (db: Db) => Promise<T>): Promise<T>;
}
