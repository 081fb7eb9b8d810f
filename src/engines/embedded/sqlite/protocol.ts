/** What the main thread and the catalog's thread tell each other. */
import type { Catalog } from '../../../core/engine.ts';
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

/** Every method of the port, so that a missing one is a compile error, and whether it only looks. */
export const methods: { readonly [Noun in keyof Catalog]: Readonly<Record<keyof Catalog[Noun], 'read' | 'write'>> } = {
  namespaces: {
    create: 'write', get: 'read', list: 'read', remove: 'write', trust: 'write',
    credentials: 'read', credential: 'read', putCredential: 'write', reverify: 'write', dropCredential: 'write',
  },
  uploads: {
    begin: 'write', get: 'read', list: 'read', idle: 'read', advance: 'write', answered: 'write', damaged: 'write', drop: 'write', forget: 'write',
  },
  artifacts: {
    publish: 'write', begin: 'write', fail: 'write', pending: 'read', get: 'read', named: 'read', list: 'read', versions: 'read',
    remove: 'write', removeVersion: 'write', setMaxVersions: 'write', setShared: 'write', forget: 'write',
  },
  blobs: { get: 'read', seen: 'read', withDigest: 'read', list: 'read', many: 'read', addDigest: 'write', used: 'write', sweep: 'write' },
  contents: { get: 'read', bytes: 'read', toScrub: 'read', list: 'read', mark: 'write', named: 'read', known: 'read', totals: 'read' },
  buckets: {
    create: 'write', get: 'read', list: 'read', change: 'write', remove: 'write', usage: 'read', object: 'read', objects: 'read', entries: 'read',
    versions: 'read', describe: 'write', hold: 'write', retain: 'write', retire: 'write', removeVersion: 'write',
  },
  parts: { begin: 'write', get: 'read', list: 'read', put: 'write', parts: 'read', end: 'write', idle: 'read', forget: 'write' },
  ledgers: { get: 'read', setLimits: 'write', spend: 'write' },
  keys: { create: 'write', get: 'read', list: 'read', revoke: 'write' },
  releases: {
    create: 'write', get: 'read', list: 'read', turn: 'write', remove: 'write', open: 'write', slot: 'read', lapsed: 'read', close: 'write', register: 'write',
    file: 'read', files: 'read',
  },
  downloads: { create: 'write', get: 'read', proved: 'read', forget: 'write' },
  idempotency: { reserve: 'write', renew: 'write', settle: 'write', abandon: 'write', giveUp: 'write', forget: 'write' },
  customers: {
    create: 'write', get: 'read', list: 'read', change: 'write', entitle: 'write', entitlements: 'read', changeEntitlement: 'write', dropEntitlement: 'write',
    entitled: 'read', addKey: 'write', key: 'read', proved: 'read', revokeKey: 'write', used: 'write',
  },
  audits: { record: 'write', list: 'read', forget: 'write' },
  journal: { record: 'write', events: 'read', metadata: 'read', setMetadata: 'write', forget: 'write', clock: 'read', pass: 'write' },
};

/** `fact` is a noun and a method: `uploads.get`. */
export type Call = readonly [id: number, fact: string, args: readonly unknown[]];
export type Answer = readonly [id: number, value: unknown, failure?: Failure];

export type ToCatalog =
  | { readonly kind: 'calls'; readonly calls: readonly Call[] }
  | { readonly kind: 'stats'; readonly id: number }
  /** The mark that the catalog told of is on disk. */
  | { readonly kind: 'noted' }
  | { readonly kind: 'close' };

export type FromCatalog =
  | { readonly kind: 'ready'; readonly settings: SqliteSettings }
  /** The catalog is of another generation now; it takes no writes until that is noted. */
  | { readonly kind: 'mark'; readonly mark: CatalogMark }
  /** A loss that was accepted. */
  | { readonly kind: 'loss'; readonly loss: string }
  | { readonly kind: 'refused'; readonly failure: Failure }
  | { readonly kind: 'answers'; readonly answers: readonly Answer[] }
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
