/** The main thread's side of the catalog: a `Catalog` served by a thread. */
import { Worker } from 'node:worker_threads';
import type { Catalog } from '../../../core/engine.ts';
import { Refusal } from '../../../core/refusal.ts';
import { catalogOf, errorOf } from './protocol.ts';
import { Thread } from '../../../kit/thread.ts';
import type { CatalogCall, CatalogSetup, CatalogStats, Failure, FromCatalog, ToCatalog } from './protocol.ts';
import { cached } from './cache.ts';
import type { CatalogMark } from '../node-file.ts';
import type { SqliteSettings } from './connection.ts';
import { workerUrl } from '../../../kit/worker-url.ts';

export interface CatalogOptions {
  /** The database file; created if missing. Its folder must exist. */
  readonly path: string;
  /** Whether a write is durable when its promise resolves. */
  readonly strict: boolean;
  /** Called when the disk can no longer be trusted; from then on writes are refused. */
  readonly onFault: (error: unknown) => void;
  /** Called when the thread died and is being replaced. Pending calls are refused. */
  readonly onRestart?: (error: unknown) => void;
  /** Called when the thread died and cannot be replaced; all further calls fail. */
  readonly onLost?: (error: unknown) => void;
  /** Checks that the catalog is the newest one; without it no mark is kept. */
  readonly lineage?: Lineage;
}

export interface Lineage {
  /** The mark recorded in `node.json`. */
  readonly known: CatalogMark | undefined;
  /** Records a new mark durably; without it the catalog's mark stays unchanged. */
  readonly note: ((mark: CatalogMark) => Promise<void>) | undefined;
  /** Called with the mismatch if the catalog is opened anyway; without it, such a catalog is refused. */
  readonly onLoss: ((loss: string) => void) | undefined;
}

type Listeners = Pick<CatalogOptions, 'onFault' | 'onRestart' | 'onLost' | 'lineage'>;

export interface OpenCatalog {
  readonly catalog: Catalog;
  /** As SQLite reported them after they were set. */
  readonly settings: SqliteSettings;
  /** Counts since the start: reads, writes, and the commits that the writes shared. */
  stats(): Promise<CatalogStats>;
  /** Finishes pending calls and ends the thread. */
  close(): Promise<void>;
}

/**
 * Opens the catalog in one SQLite file and migrates its schema.
 *
 * @throws Refusal `unavailable` if the file has a newer schema or SQLite rejects its settings; `lost` if the catalog is
 *   not the newest of its store
 */
export async function openCatalog(options: CatalogOptions): Promise<OpenCatalog> {
  const { path, strict, lineage } = options;
  const setup: CatalogSetup = {
    path,
    strict,
    known: lineage?.known,
    acceptLoss: lineage?.onLoss !== undefined,
    unmarked: !lineage?.note,
  };
  return connectCatalog(
    () => new Worker(workerUrl(import.meta.url, './catalog-worker'), { workerData: setup }),
    options,
  );
}

/** The catalog served by a thread; `start` starts the first one and its replacements. */
export async function connectCatalog(start: () => Worker, options: Listeners): Promise<OpenCatalog> {
  const line = new RestartingCatalog(start, options);
  const settings = await line.open();
  return {
    catalog: cached(
      catalogOf(
        (fact) =>
          (...args) =>
            line.ask(fact, args),
      ),
    ),
    settings,
    stats: () => line.stats(),
    close: () => line.close(),
  };
}

/** Deaths within `deathWindow` milliseconds after which the thread is not restarted: the cause persists. */
const mostDeaths = 3;
const deathWindow = 60_000;

/**
 * Calls the current catalog thread and replaces a dead one. Pending calls are refused, because it is unknown whether
 * they took effect; later calls wait for the next thread.
 */
class RestartingCatalog {
  readonly #start: () => Worker;
  readonly #options: Listeners;
  readonly #deaths: number[] = [];
  #line: CatalogThread;
  #restarting: Promise<void> | undefined;
  /** Set if the disk failed: a new thread would trust it again. */
  #distrusted = false;
  #closing = false;

  constructor(start: () => Worker, options: Listeners) {
    this.#start = start;
    this.#options = options;
    this.#line = this.#connect();
  }

  open(): Promise<SqliteSettings> {
    return this.#line.ready;
  }

  ask(fact: string, args: readonly unknown[]): Promise<unknown> {
    return this.#restarting ? this.#restarting.then(() => this.#line.ask(fact, args)) : this.#line.ask(fact, args);
  }

  async stats(): Promise<CatalogStats> {
    await this.#restarting;
    return this.#line.stats();
  }

  async close(): Promise<void> {
    this.#closing = true;
    if (this.#restarting) await this.#restarting;
    await this.#line.close();
  }

  #connect(): CatalogThread {
    const onFault = (error: unknown): void => {
      this.#distrusted = true;
      this.#options.onFault(error);
    };
    return new CatalogThread(this.#start(), {
      onFault,
      onDeath: (error) => this.#died(error),
      lineage: this.#options.lineage,
    });
  }

  #died(error: unknown): void {
    const now = performance.now();
    this.#deaths.push(now);
    const lately = this.#deaths.filter((at) => now - at < deathWindow).length;
    if (this.#closing) return;
    if (this.#distrusted || lately >= mostDeaths) {
      this.#options.onLost?.(error);
      return;
    }
    this.#options.onRestart?.(error);
    this.#restarting = this.#restart().finally(() => (this.#restarting = undefined));
  }

  async #restart(): Promise<void> {
    const next = this.#connect();
    try {
      await next.ready;
      this.#line = next;
    } catch (error) {
      this.#options.onLost?.(error);
    }
  }
}

const notOpened = 'the catalog could not be opened';

interface ThreadListeners {
  readonly onFault: (error: unknown) => void;
  /** Called when the thread is gone with its connection, if it had been ready and was not closed. */
  readonly onDeath: (error: unknown) => void;
  readonly lineage: Lineage | undefined;
}

class CatalogThread {
  readonly ready: Promise<SqliteSettings>;
  readonly #thread: Thread<FromCatalog>;
  readonly #exit: Promise<void>;
  readonly #told: ThreadListeners;
  #calls: CatalogCall[] = [];
  #start: { resolve(settings: SqliteSettings): void; reject(error: unknown): void } | undefined;
  #closing: Promise<void> | undefined;

  constructor(worker: Worker, told: ThreadListeners) {
    this.#told = told;
    this.ready = new Promise((resolve, reject) => {
      this.#start = { resolve, reject };
    });
    this.#thread = new Thread(worker, {
      onTold: (message) => this.#hear(message),
      errorOf: (failure) => errorOf(failure as Failure),
      // The callers cannot know whether their writes took effect.
      goneError: (cause) =>
        new Refusal('unavailable', this.#closing ? 'the catalog is closed' : 'the catalog stopped', {}, cause),
      onDeath: (error) => this.#start?.reject(error),
    });
    this.#exit = new Promise((resolve) => worker.once('exit', () => resolve()));
    worker.once('exit', () => {
      if (!this.#start && !this.#closing && this.#thread.gone?.message !== notOpened) told.onDeath(this.#thread.gone);
    });
  }

  ask(fact: string, args: readonly unknown[]): Promise<unknown> {
    return this.#ask((id) => {
      // Calls of one turn share a message.
      if (this.#calls.length === 0) process.nextTick(() => this.#flush());
      this.#calls.push([id, fact, args]);
    });
  }

  stats(): Promise<CatalogStats> {
    return this.#ask((id) => this.#tell({ kind: 'stats', id }));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#thread.gone) return;
    this.#flush();
    this.#tell({ kind: 'close' });
    await this.#exit;
  }

  #ask<T>(send: (id: number) => void): Promise<T> {
    if (this.#closing && !this.#thread.gone) return Promise.reject(new Refusal('unavailable', 'the catalog is closed'));
    return this.#thread.ask(send);
  }

  #flush(): void {
    const calls = this.#calls;
    this.#calls = [];
    if (calls.length === 0) return;
    try {
      this.#tell({ kind: 'calls', calls });
    } catch {
      // If one call cannot be cloned, only that one fails.
      for (const call of calls) this.#tellOne(call);
    }
  }

  #tellOne(call: CatalogCall): void {
    try {
      this.#tell({ kind: 'calls', calls: [call] });
    } catch (error) {
      this.#thread.settle(call[0], undefined, error);
    }
  }

  #tell(message: ToCatalog): void {
    this.#thread.tell(message);
  }

  #hear(message: FromCatalog): void {
    switch (message.kind) {
      case 'ready':
        this.#start?.resolve(message.settings);
        this.#start = undefined;
        break;
      case 'refused':
        this.#refuse(errorOf(message.failure));
        break;
      case 'mark':
        this.#note(message.mark).catch((error: unknown) => this.#told.onFault(error));
        break;
      case 'loss':
        this.#told.lineage?.onLoss?.(message.loss);
        break;
      case 'fault':
        this.#told.onFault(errorOf(message.failure));
    }
  }

  async #note(mark: CatalogMark): Promise<void> {
    try {
      await this.#told.lineage?.note?.(mark);
    } catch (error) {
      // The next mark will include this one. Only the first must be recorded before any write.
      this.#start?.reject(error);
      if (this.#start) return this.#thread.close();
    }
    this.#tell({ kind: 'noted' });
  }

  #refuse(error: Error): void {
    this.#thread.lose(new Refusal('unavailable', notOpened, {}, error));
    this.#start?.reject(error);
  }
}
