/**
 * Group commit: concurrent mutations share one transaction and its sync.
 *
 * Each runs inside a savepoint, so that a failure does not affect the others, and all are answered after the commit.
 * Reads run between transactions, so that they never see uncommitted data. Pages of many rows take turns with the rest:
 * a write or short read waits for one page at most, and a page for one transaction.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { sqliteDialect } from '../../../catalog/index.ts';
import type { Db, Host } from '../../../catalog/index.ts';
import { kyselyOn, classify } from './connection.ts';
import type { SqliteConnection } from './connection.ts';

export interface CommitStats {
  readonly reads: number;
  readonly writes: number;
  readonly commits: number;
}

interface Job {
  /** Does the work. @returns a function that resolves the caller's promise */
  run(): Promise<() => void>;
  reject(error: unknown): void;
}

/** Milliseconds after which a transaction accepts no more mutations, so that reads get their turn. */
const longestBatch = 5;
/** Changed rows that trigger a checkpoint. */
const checkpointAfter = 2000;
/** Milliseconds with writes after which the catalog is marked again. */
const markAfter = 60_000;

export class GroupCommit implements Host {
  readonly dialect = sqliteDialect;
  readonly #connection: SqliteConnection;
  readonly #db: Db;
  readonly #onFault: (error: unknown) => void;
  readonly #mark: () => Promise<void>;
  readonly #stats = { reads: 0, writes: 0, commits: 0 };
  readonly #reads: Job[] = [];
  readonly #writes: Job[] = [];
  readonly #pages: Job[] = [];
  #busy = false;
  #served: Promise<void> = Promise.resolve();
  #copiedAt = 0;
  #markedAt = performance.now();
  #fault: unknown;
  /** Set if visible data may not survive a restart; all requests then fail with this error. */
  #lost: unknown;

  /**
   * @param onFault called once, when the disk can no longer be trusted; from then on writes are refused
   * @param mark records the catalog's generation; no write runs meanwhile. Called after each checkpoint, and once a
   *   minute while there are writes.
   */
  constructor(
    connection: SqliteConnection,
    onFault: (error: unknown) => void,
    mark: () => Promise<void> = () => Promise.resolve(),
  ) {
    this.#mark = mark;
    this.#connection = connection;
    this.#db = kyselyOn(connection);
    this.#onFault = onFault;
  }

  /** Records the catalog's generation. */
  mark(): Promise<void> {
    return this.#mark();
  }

  get stats(): CommitStats {
    return { ...this.#stats };
  }

  read<T>(work: (db: Db) => Promise<T>): Promise<T> {
    return this.#enqueue(this.#reads, work);
  }

  page<T>(work: (db: Db) => Promise<T>): Promise<T> {
    return this.#enqueue(this.#pages, work);
  }

  write<T>(work: (db: Db) => Promise<T>): Promise<T> {
    return this.#enqueue(this.#writes, work);
  }

  /** Closes the connection after all queued work. */
  async close(): Promise<void> {
    await this.#served;
    try {
      if (!this.#fault) await this.#mark();
    } catch (error) {
      this.#judge(error);
    }
    this.#connection.close();
  }

  #enqueue<T>(queue: Job[], work: (db: Db) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const run = async (): Promise<() => void> => {
        const value = await work(this.#db);
        return () => resolve(value);
      };
      queue.push({ run, reject });
      if (!this.#busy) this.#served = this.#serve();
    });
  }

  async #serve(): Promise<void> {
    this.#busy = true;
    while (this.#reads.length > 0 || this.#writes.length > 0 || this.#pages.length > 0) {
      await this.#answerReads();
      if (this.#writes.length > 0) {
        // Lets requests that are already sent join the same transaction.
        await nextTurn();
        await this.#answerReads();
        await this.#commit();
        await this.#checkpoint();
      }
      const page = this.#pages.shift();
      if (!page) continue;
      await this.#answer(page);
      // Requests that arrived during the page run before the next one.
      await nextTurn();
    }
    this.#busy = false;
  }

  async #answerReads(): Promise<void> {
    for (let job = this.#reads.shift(); job; job = this.#reads.shift()) await this.#answer(job);
  }

  async #answer(job: Job): Promise<void> {
    this.#stats.reads += 1;
    try {
      if (this.#lost) throw this.#lost;
      const tell = await job.run();
      tell();
    } catch (error) {
      job.reject(this.#judge(error));
    }
  }

  async #commit(): Promise<void> {
    try {
      if (this.#fault) throw this.#fault;
      this.#connection.run('begin immediate');
    } catch (error) {
      this.#refuse(this.#writes.splice(0), error);
      return;
    }
    const batch: Job[] = [];
    const answers: (() => void)[] = [];
    try {
      const deadline = performance.now() + longestBatch;
      for (let job = this.#writes.shift(); job; job = performance.now() < deadline ? this.#writes.shift() : undefined) {
        batch.push(job);
        answers.push(await this.#runInside(job));
      }
      this.#connection.commit();
    } catch (error) {
      if (this.#connection.inTransaction) this.#connection.run('rollback');
      this.#refuse(batch, error);
      return;
    }
    this.#stats.commits += 1;
    this.#stats.writes += batch.length;
    for (const answer of answers) answer();
  }

  /** Runs one mutation of a batch; throws only if its failure ended the whole transaction. */
  async #runInside(job: Job): Promise<() => void> {
    this.#connection.run('savepoint mutation');
    try {
      const answer = await job.run();
      this.#connection.run('release mutation');
      return answer;
    } catch (error) {
      const verdict = classify(error);
      if (verdict.permanent || !this.#connection.inTransaction) throw error;
      this.#connection.run('rollback to mutation');
      this.#connection.run('release mutation');
      return () => job.reject(verdict.error);
    }
  }

  #refuse(jobs: readonly Job[], error: unknown): void {
    const verdict = this.#judge(error);
    for (const job of jobs) job.reject(verdict);
  }

  /** The error for the caller. A permanent fault is recorded and reported. */
  #judge(error: unknown): unknown {
    const verdict = classify(error);
    if (verdict.unsure) this.#lost ??= verdict.error;
    if (verdict.permanent && !this.#fault) {
      this.#fault = verdict.error;
      this.#onFault(error);
    }
    return verdict.error;
  }

  async #checkpoint(): Promise<void> {
    const changes = this.#connection.changes();
    const full = changes - this.#copiedAt >= checkpointAfter;
    if ((!full && performance.now() - this.#markedAt < markAfter) || this.#fault) return;
    // Send the answers first.
    await nextTurn();
    try {
      if (full) {
        this.#copiedAt = changes;
        this.#connection.checkpoint();
      }
      this.#markedAt = performance.now();
      await this.#mark();
    } catch (error) {
      this.#judge(error);
    }
  }
}
