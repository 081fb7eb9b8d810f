/** What the main thread and the catalog's thread tell each other. */
import { catalogOn, sqliteDialect, type Catalog } from '../../../catalog/index.ts';
import { Refusal } from '../../../core/refusal.ts';
import type { Reason } from '../../../core/refusal.ts';
import type { CommitStats } from './group-commit.ts';
import type { CatalogMark } from '../node-file.ts';
import type { SqliteSettings } from './connection.ts';

export interface CatalogSetup {
  readonly path: string;
  readonly strict: boolean;
  /** How far `node.json` says that the catalog was. */
  readonly known?: CatalogMark | undefined;
  /** Whether a catalog that is not the newest is taken. */
  readonly acceptLoss?: boolean;
  /** Whether the catalog's mark stays as it is; for a process that only looks. */
  readonly unmarked?: boolean;
}

type Fact = (...args: unknown[]) => Promise<unknown>;

const nothing = (): Promise<never> => Promise.reject(new Error('there is no database'));
/** Has the methods of a catalog, and no database. */
const model = catalogOn({ dialect: sqliteDialect, read: nothing, page: nothing, write: nothing });

/** A catalog with the methods that `make` answers; `fact` is a noun and a method, such as `uploads.get`. */
export function catalogOf(make: (fact: string) => Fact): Catalog {
  const nouns = Object.entries(model).map(([noun, methods]) => {
    const names = Object.getOwnPropertyNames(Object.getPrototypeOf(methods)).filter((name) => name !== 'constructor');
    return [noun, Object.fromEntries(names.map((name) => [name, make(`${noun}.${name}`)]))];
  });
  return Object.fromEntries(nouns) as Catalog;
}

/** `fact` is a noun and a method: `uploads.get`. */
export type Call = readonly [id: number, fact: string, args: readonly unknown[]];

export type ToCatalog =
  | { readonly kind: 'calls'; readonly calls: readonly Call[] }
  | { readonly kind: 'stats'; readonly id: number }
  /** The mark that the catalog told of is on disk. */
  | { readonly kind: 'noted' }
  | { readonly kind: 'close' };

/** What the thread tells beside its answers. */
export type FromCatalog =
  | { readonly kind: 'ready'; readonly settings: SqliteSettings }
  /** The catalog is of another generation now; it takes no writes until that is noted. */
  | { readonly kind: 'mark'; readonly mark: CatalogMark }
  /** A loss that was accepted. */
  | { readonly kind: 'loss'; readonly loss: string }
  | { readonly kind: 'refused'; readonly failure: Failure }
  | { readonly kind: 'fault'; readonly failure: Failure };

/** What `stats` answers. */
export type CatalogStats = CommitStats;

/** An error on its way between threads, which by themselves keep only its words. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** What the operating system or SQLite called it. */
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
