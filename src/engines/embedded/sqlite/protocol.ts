/** Messages between the main thread and the catalog thread. */
import { catalogOn, sqliteDialect, type Catalog } from '../../../catalog/index.ts';
import { Refusal } from '../../../core/refusal.ts';
import type { Reason } from '../../../core/refusal.ts';
import type { CommitStats } from './group-commit.ts';
import type { CatalogMark } from '../node-file.ts';
import type { SqliteSettings } from './connection.ts';

export interface CatalogSetup {
  readonly path: string;
  readonly strict: boolean;
  /** The mark in `node.json`. */
  readonly known?: CatalogMark | undefined;
  /** Whether to open a catalog that is not the newest. */
  readonly acceptLoss?: boolean;
  /** Whether the catalog's mark stays unchanged, for read-only commands. */
  readonly unmarked?: boolean;
}

type Fact = (...args: unknown[]) => Promise<unknown>;

const nothing = (): Promise<never> => Promise.reject(new Error('there is no database'));
/** A catalog without a database, from which the method names are read. */
const model = catalogOn({ dialect: sqliteDialect, read: nothing, page: nothing, write: nothing });

/** Builds a catalog whose methods are made by `make`; `fact` is a noun and a method, such as `uploads.get`. */
export function catalogOf(make: (fact: string) => Fact): Catalog {
  const nouns = Object.entries(model).map(([noun, methods]) => {
    const names = Object.getOwnPropertyNames(Object.getPrototypeOf(methods)).filter((name) => name !== 'constructor');
    return [noun, Object.fromEntries(names.map((name) => [name, make(`${noun}.${name}`)]))];
  });
  return Object.fromEntries(nouns) as Catalog;
}

/** `fact` is a noun and a method: `uploads.get`. */
export type CatalogCall = readonly [id: number, fact: string, args: readonly unknown[]];

export type ToCatalog =
  | { readonly kind: 'calls'; readonly calls: readonly CatalogCall[] }
  | { readonly kind: 'stats'; readonly id: number }
  /** The mark is durable in `node.json`. */
  | { readonly kind: 'noted' }
  | { readonly kind: 'close' };

/** Messages of the thread besides its answers. */
export type FromCatalog =
  | { readonly kind: 'ready'; readonly settings: SqliteSettings }
  /** The catalog has a new mark; it accepts no writes until `noted`. */
  | { readonly kind: 'mark'; readonly mark: CatalogMark }
  /** A loss that was accepted. */
  | { readonly kind: 'loss'; readonly loss: string }
  | { readonly kind: 'refused'; readonly failure: Failure }
  | { readonly kind: 'fault'; readonly failure: Failure };

/** The result of `stats`. */
export type CatalogStats = CommitStats;

/** An error between threads; structured cloning alone would keep only its message. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** Error code of the operating system or SQLite. */
  readonly code: string | number | undefined;
  readonly refusal: { readonly reason: Reason; readonly details: Refusal['details'] } | undefined;
  readonly cause: Failure | undefined;
}

export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return failureOf(new Error(String(error)));
  const code = 'errcode' in error ? error.errcode : 'code' in error ? error.code : undefined;
  return {
    name: error.name,
    message: error.message,
    stack: error.stack,
    code: typeof code === 'string' || typeof code === 'number' ? code : undefined,
    refusal: error instanceof Refusal ? { reason: error.reason, details: error.details } : undefined,
    cause: error.cause === undefined ? undefined : failureOf(error.cause),
  };
}

export function errorOf(failure: Failure): Error {
  const cause = failure.cause && errorOf(failure.cause);
  const error = failure.refusal
    ? new Refusal(failure.refusal.reason, failure.message, failure.refusal.details, cause)
    : new Error(failure.message, cause && { cause });
  error.name = failure.name;
  if (failure.stack !== undefined) error.stack = failure.stack;
  if (failure.code !== undefined) Object.assign(error, { code: failure.code });
  return error;
}
