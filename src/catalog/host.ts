import type { Kysely } from 'kysely';
import type { Dialect } from './dialect.ts';
import type { Tables } from './schema.ts';

export type Db = Kysely<Tables>;

/**
 * How the facts reach their database.
 *
 * What runs in one `write` happens whole or not at all, is durable when the promise resolves, and sees no other
 * write's half. A host whose transactions run side by side must make them serializable and repeat what collides.
 */
export interface Host {
  readonly dialect: Dialect;
  /** Runs queries that change nothing; all of them see the same state. */
  read<T>(work: (db: Db) => Promise<T>): Promise<T>;
  /** A read of many rows. It may let reads of few rows, and writes, go first. */
  page<T>(work: (db: Db) => Promise<T>): Promise<T>;
  write<T>(work: (db: Db) => Promise<T>): Promise<T>;
}
