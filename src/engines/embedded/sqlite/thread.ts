/** The main thread's side of the catalog: the port, with a thread behind it. */
import { Worker } from 'node:worker_threads';
import type { Catalog } from '../../../core/engine.ts';
import { Refusal } from '../../../core/refusal.ts';
import { catalogOf, errorOf } from './protocol.ts';
import type { Call, CatalogSetup, CatalogStats, FromCatalog, ToCatalog } from './protocol.ts';
import { cached } from './cache.ts';
import type { CatalogMark } from '../node-file.ts';
import type { SqliteSettings } from './connection.ts';
import { workerUrl } from '../../../kit/worker-url.ts';

export interface CatalogOptions {
  /** The database file; made if it is not there. Its folder must exist. */
  readonly path: string;
  /** Whether a fact is on disk when its promise resolves. */
  readonly strict: boolean;
  /** Told when the disk under the catalog can no longer be trusted; from then on writes are refused. */
  readonly onFault: (error: unknown) => void;
  /** Told when the thread died and another takes its place. What was under way is refused. */
  readonly onRestart?: (error: unknown) => void;
  /** Told when the thread died and no other can take its place: nothing can be asked any more. */
  readonly onLost?: (error: unknown) => void;
  /** How the catalog is known again; without it no mark is kept. */
  readonly lineage?: Lineage;
}

export interface Lineage {
  /** How far the catalog was when it was seen last. */
  readonly known: CatalogMark | undefined;
  /** Makes it durable how far the catalog is now; without it the catalog's mark stays as it is. */
  readonly note: ((mark: CatalogMark) => Promise<void>) | undefined;
  /** Told what is wrong with a catalog that is opened all the same; without it, such a catalog is refused. */
  readonly onLoss: ((loss: string) => void) | undefined;
}

type Listeners = Pick<CatalogOptions, 'onFault' | 'onRestart' | 'onLost' | 'lineage'>;

export interface OpenCatalog {
  readonly catalog: Catalog;
  /** As SQLite reported them after they were set. */
  readonly settings: SqliteSettings;
  /** Counts since the start: reads, writes, and the commits that the writes shared. */
  stats(): Promise<CatalogStats>;
  /** Finishes what was asked, and ends the thread. */
  close(): Promise<void>;
}

/**
 * Opens the catalog in one SQLite file and brings its schema up to date.
 *
 * @throws Refusal `unavailable` when the file has a newer schema, or SQLite does not take its settings; `lost` when the
 *   catalog is not the newest one of its store.
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

/** The catalog that a thread serves; `start` starts one, and another when it died. */
export async function connectCatalog(start: () => Worker, options: Listeners): Promise<OpenCatalog> {
  const line = new LastingLine(start, options);
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

/** Deaths within `deathWindow` milliseconds after which the thread is not started again: whatever kills it will do so again. */
const mostDeaths = 3;
const deathWindow = 60_000;

/**
 * The line to the thread that serves the catalog now. A thread that dies is replaced: what was under way is refused, as
 * whether it happened is unknown, and what comes meanwhile waits for the next thread.
 */
class LastingLine {
  readonly #start: () => Worker;
  readonly #options: Listeners;
  readonly #deaths: number[] = [];
  #line: CatalogLine;
  #restarting: Promise<void> | undefined;
  /** The disk failed beneath a thread: a new one would trust it again. */
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

  #connect(): CatalogLine {
    const onFault = (error: unknown): void => {
      this.#distrusted = true;
      this.#options.onFault(error);
    };
    return new CatalogLine(this.#start(), {
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

interface Pending {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

interface LineListeners {
  readonly onFault: (error: unknown) => void;
  /** Told once the thread is gone, and with it its connection, after it had been ready and unless it was closed. */
  readonly onDeath: (error: unknown) => void;
  readonly lineage: Lineage | undefined;
}

class CatalogLine {
  readonly ready: Promise<SqliteSettings>;
  readonly #worker: Worker;
  readonly #told: LineListeners;
  readonly #pending = new Map<number, Pending>();
  #calls: Call[] = [];
  #lastId = 0;
  #start: { resolve(settings: SqliteSettings): void; reject(error: unknown): void } | undefined;
  #closing: Promise<void> | undefined;
  /** Why nothing can be asked any more. */
  #gone: Refusal | undefined;

  constructor(worker: Worker, told: LineListeners) {
    this.#worker = worker;
    this.#told = told;
    this.ready = new Promise((resolve, reject) => {
      this.#start = { resolve, reject };
    });
    worker.on('message', (message: FromCatalog) => this.#hear(message));
    worker.on('error', (error) => this.#lose(error));
    worker.on('exit', () => {
      const died = !this.#start && !this.#closing && this.#gone?.message !== notOpened;
      this.#lose(undefined);
      if (died) told.onDeath(this.#gone);
    });
  }

  ask(fact: string, args: readonly unknown[]): Promise<unknown> {
    return this.#expect((id) => {
      // Calls of one turn travel together.
      if (this.#calls.length === 0) process.nextTick(() => this.#flush());
      this.#calls.push([id, fact, args]);
    });
  }

  stats(): Promise<CatalogStats> {
    return this.#expect((id) => this.#tell({ kind: 'stats', id })) as Promise<CatalogStats>;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#gone) return;
    if (this.#calls.length > 0) this.#flush();
    const exit = new Promise((resolve) => this.#worker.once('exit', resolve));
    this.#tell({ kind: 'close' });
    await exit;
  }

  #expect(send: (id: number) => void): Promise<unknown> {
    if (this.#gone) return Promise.reject(this.#gone);
    if (this.#closing) return Promise.reject(new Refusal('unavailable', 'the catalog is closed'));
    return new Promise((resolve, reject) => {
      this.#lastId += 1;
      this.#pending.set(this.#lastId, { resolve, reject });
      send(this.#lastId);
    });
  }

  #flush(): void {
    const calls = this.#calls;
    this.#calls = [];
    if (calls.length === 0) return;
    try {
      this.#tell({ kind: 'calls', calls });
    } catch {
      // One that cannot be sent between threads fails alone.
      for (const call of calls) this.#tellOne(call);
    }
  }

  #tellOne(call: Call): void {
    try {
      this.#tell({ kind: 'calls', calls: [call] });
    } catch (error) {
      this.#settle(call[0], undefined, error instanceof Error ? error : new Error(String(error)));
    }
  }

  #tell(message: ToCatalog): void {
    this.#worker.postMessage(message);
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
        break;
      case 'answers':
        for (const [id, value, failure] of message.answers) this.#settle(id, value, failure && errorOf(failure));
    }
  }

  async #note(mark: CatalogMark): Promise<void> {
    try {
      await this.#told.lineage?.note?.(mark);
    } catch (error) {
      // Later on the next mark says what this one was to say. The first one has to be there before anything is written.
      this.#start?.reject(error);
      if (this.#start) return void this.#worker.terminate();
    }
    this.#tell({ kind: 'noted' });
  }

  #refuse(error: Error): void {
    this.#gone = new Refusal('unavailable', notOpened, {}, error);
    this.#start?.reject(error);
  }

  #settle(id: number, value: unknown, error: Error | undefined): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (error) pending?.reject(error);
    else pending?.resolve(value);
  }

  /** The thread is gone. Whoever waits must not wait for ever, and cannot know whether what they asked has happened. */
  #lose(cause: unknown): void {
    if (this.#gone) return;
    this.#gone = new Refusal('unavailable', this.#closing ? 'the catalog is closed' : 'the catalog stopped', {}, cause);
    for (const pending of this.#pending.values()) pending.reject(this.#gone);
    this.#pending.clear();
    this.#start?.reject(this.#gone);
  }
}
