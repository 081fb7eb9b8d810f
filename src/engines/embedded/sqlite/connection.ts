/** The SQLite connection: settings, prepared statements, error handling, and the Kysely driver. */
import { realpathSync } from 'node:fs';
import { DatabaseSync } from '@photostructure/sqlite';
import type { DatabaseSyncInstance, StatementSyncInstance } from '@photostructure/sqlite';
import { Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely';
import type { CompiledQuery, DatabaseConnection, Driver, QueryResult } from 'kysely';
import { Refusal } from '../../../core/refusal.ts';
import { isStorable } from '../../../kit/text.ts';
import type { Db, Tables } from '../../../catalog/index.ts';
import { errorCodeOf } from '../disk.ts';
import { ShutdownProbe } from '../shutdown.ts';

/** Settings as SQLite reports them. */
export interface SqliteSettings {
  readonly journalMode: string;
  /** 2 is FULL: every commit is synced; 0 is OFF. */
  readonly synchronous: number;
  readonly foreignKeys: number;
}

interface Prepared {
  readonly statement: StatementSyncInstance;
  readonly answersRows: boolean;
}

/** Maximum prepared statements. A catalog uses about 150, plus variants for different list lengths. */
const statementLimit = 500;

/** One connection to a database file, as a Kysely driver. */
export class SqliteConnection implements DatabaseConnection {
  readonly #database: DatabaseSyncInstance;
  readonly #prepared = new Map<string, Prepared>();
  readonly #path: string;
  readonly #strict: boolean;
  #probe: ShutdownProbe | undefined;
  readonly settings: SqliteSettings;

  /**
   * @param strict whether a commit is durable when it returns; otherwise nothing is synced
   * @throws Refusal `unavailable` if SQLite rejects a setting
   */
  constructor(path: string, strict: boolean) {
    this.#path = path;
    this.#strict = strict;
    this.#database = new DatabaseSync(path, { timeout: 5000 });
    this.#database.exec('pragma journal_mode = wal');
    // After the journal mode, because entering WAL may change it.
    this.#database.exec(`pragma synchronous = ${strict ? 'full' : 'off'}`);
    this.#database.exec('pragma foreign_keys = on');
    // Checkpoints are explicit: SQLite's automatic checkpoint hides its errors.
    this.#database.exec('pragma wal_autocheckpoint = 0; pragma journal_size_limit = 67108864');
    this.#database.exec('pragma cache_size = -65536; pragma temp_store = memory');
    this.settings = {
      journalMode: String(this.#setting('journal_mode')),
      synchronous: Number(this.#setting('synchronous')),
      foreignKeys: Number(this.#setting('foreign_keys')),
    };
    const { journalMode, synchronous, foreignKeys } = this.settings;
    if (journalMode !== 'wal' || synchronous !== (strict ? 2 : 0) || foreignKeys !== 1) {
      this.close();
      throw new Refusal('unavailable', `SQLite did not accept its settings: ${JSON.stringify(this.settings)}`);
    }
  }

  get inTransaction(): boolean {
    return this.#database.isTransaction;
  }

  /** Rows of a statement. */
  rows(sql: string, ...values: readonly (string | number)[]): readonly Readonly<Record<string, unknown>>[] {
    return this.#prepare(sql).statement.all(...values) as Readonly<Record<string, unknown>>[];
  }

  /** Runs a statement without a result. */
  run(sql: string): void {
    this.#prepare(sql).statement.run();
  }

  /**
   * Commits the transaction.
   *
   * @throws Error of SQLite; or with code `EIO` if the file system has shut down: the commit may be lost although
   *   SQLite's sync succeeded
   */
  commit(): void {
    this.run('commit');
    if (!this.#strict) return;
    // Probes the log: closing a file descriptor of the database file would release SQLite's locks.
    this.#probe ??= new ShutdownProbe(`${realpathSync(this.#path)}-wal`);
    this.#probe.demandRunning();
  }

  /** Rows changed since the connection was opened. */
  changes(): number {
    return Number(firstValue(this.#prepare('select total_changes()').statement.get()));
  }

  /** Copies committed pages from the log into the database file. */
  checkpoint(): void {
    this.#prepare('pragma wal_checkpoint(passive)').statement.get();
  }

  executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    try {
      demandStorable(parameters);
      const { statement, answersRows } = this.#prepare(sql);
      if (answersRows) return Promise.resolve({ rows: statement.all(...parameters) as Row[] });
      return Promise.resolve({ rows: [], numAffectedRows: BigInt(statement.run(...parameters).changes) });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  streamQuery<Row>(): AsyncIterableIterator<QueryResult<Row>> {
    throw new TypeError('the catalog reads pages, not streams');
  }

  close(): void {
    this.#prepared.clear();
    this.#database.close();
    this.#probe?.close();
    this.#probe = undefined;
  }

  #setting(name: string): unknown {
    return firstValue(this.#database.prepare(`pragma ${name}`).get());
  }

  #prepare(sql: string): Prepared {
    let prepared = this.#prepared.get(sql);
    if (!prepared) {
      const statement = this.#database.prepare(sql);
      prepared = { statement, answersRows: statement.columns().length > 0 };
      if (this.#prepared.size >= statementLimit) {
        for (const oldest of this.#prepared.keys()) {
          this.#prepared.delete(oldest);
          break;
        }
      }
      this.#prepared.set(sql, prepared);
    }
    return prepared;
  }
}

/**
 * The last check behind those of the faces: the driver cuts text at U+0000 silently, which would merge two names.
 *
 * @throws Refusal `malformed`
 */
function demandStorable(parameters: readonly unknown[]): void {
  for (const value of parameters) {
    if (typeof value === 'string' && !isStorable(value)) {
      throw new Refusal('bad_text', 'text must not have U+0000 or half of a surrogate pair');
    }
  }
}

/** Kysely on one connection. `GroupCommit` controls the transactions. */
export function kyselyOn(connection: SqliteConnection): Db {
  const driver: Driver = {
    init: async () => {},
    acquireConnection: () => Promise.resolve(connection),
    beginTransaction: refuseTransaction,
    commitTransaction: refuseTransaction,
    rollbackTransaction: refuseTransaction,
    releaseConnection: async () => {},
    destroy: async () => {},
  };
  return new Kysely<Tables>({
    dialect: {
      createDriver: () => driver,
      createQueryCompiler: () => new SqliteQueryCompiler(),
      createAdapter: () => new SqliteAdapter(),
      createIntrospector: (db) => new SqliteIntrospector(db),
    },
  });
}

function refuseTransaction(): Promise<void> {
  return Promise.reject(new TypeError('only the host begins and ends transactions'));
}

/** How a SQLite error is reported, and whether the catalog can continue. */
interface Classified {
  readonly error: unknown;
  /** Whether the disk or the file can no longer be trusted. */
  readonly permanent: boolean;
  /** Whether visible data may not be durable; it must then not be returned. */
  readonly unsure?: boolean;
}

/** SQLite result codes: the low byte of an extended code. */
const code = {
  busy: 5,
  locked: 6,
  nomem: 7,
  readonly: 8,
  ioerr: 10,
  corrupt: 11,
  full: 13,
  cantopen: 14,
  notadb: 26,
} as const;
/** The operation that failed in an I/O error: the high bytes of an extended code. */
const failed = {
  shortRead: 2,
  write: 3,
  fsync: 4,
  dirFsync: 5,
  truncate: 6,
  shmSize: 19,
  data: 32,
  corruptFs: 33,
} as const;
/** Failures after which the content on disk is unknown. All others end the transaction and leave the file unchanged. */
const ambiguousFailures: readonly number[] = [
  failed.shortRead,
  failed.write,
  failed.fsync,
  failed.dirFsync,
  failed.truncate,
  failed.data,
  failed.corruptFs,
];

export function classify(error: unknown): Classified {
  const extended = typeof error === 'object' && error !== null && 'errcode' in error ? Number(error.errcode) : 0;
  // Raised by the check after a commit, not by SQLite.
  if (errorCodeOf(error) === 'EIO') return { error: distrusted(error), permanent: true, unsure: true };
  switch (extended & 0xff) {
    case code.full:
      return { error: full(error), permanent: false };
    case code.busy:
    case code.locked:
      return {
        error: new Refusal('unavailable', 'the catalog is in use by another process', {}, error),
        permanent: false,
      };
    case code.ioerr:
      // The shared-memory file could not grow, which means a full disk.
      if (extended >> 8 === failed.shmSize) return { error: full(error), permanent: false };
      return { error: distrusted(error), permanent: ambiguousFailures.includes(extended >> 8) };
    case code.corrupt:
    case code.notadb:
      return { error: distrusted(error), permanent: true };
    case code.nomem:
    case code.readonly:
    case code.cantopen:
      return { error: distrusted(error), permanent: false };
    default:
      return { error, permanent: false };
  }
}

function distrusted(cause: unknown): Refusal {
  return new Refusal('unavailable', 'the disk of the catalog failed', {}, cause);
}

function full(cause: unknown): Refusal {
  return new Refusal('full', 'the disk has no room for the catalog', {}, cause);
}

function firstValue(row: unknown): unknown {
  return typeof row === 'object' && row !== null ? Object.values(row)[0] : undefined;
}
