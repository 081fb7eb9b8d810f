import { Worker } from 'node:worker_threads';
import type { Algorithm, Digest } from '../../../kit/digest.ts';
import { Refusal } from '../../../core/refusal.ts';
import { Gate } from '../../../kit/gate.ts';
import { asReadRefusal } from '../disk.ts';
import { Thread, ThreadGone } from '../../../kit/thread.ts';
import type { ScanFailure, ScanRequest } from './scan-worker.ts';
import { workerUrl } from '../../../kit/worker-url.ts';

/** Computes digests of stored files on request. Rate-limited scans do not delay other scans. */
export class Scanner {
  readonly #prompt: Lane;
  readonly #paced: Lane;

  /** @param onRestart called when a thread died; the next scan starts another */
  constructor(
    onRestart?: (error: unknown) => void,
    startWorker = () => new Worker(workerUrl(import.meta.url, './scan-worker')),
  ) {
    this.#prompt = new Lane(onRestart, startWorker);
    this.#paced = new Lane(onRestart, startWorker);
  }

  /** @throws Refusal `lost` if the file is missing, `unavailable` if it is unreadable; the signal's reason */
  digests(path: string, algorithms: readonly Algorithm[], rate?: number, signal?: AbortSignal): Promise<Digest[]> {
    return (rate === undefined ? this.#prompt : this.#paced).digests({ path, algorithms, rate: rate ?? 0 }, signal);
  }

  /** Digests of the first `size` bytes, without a rate limit. */
  digestsUpTo(size: number, path: string, algorithms: readonly Algorithm[]): Promise<Digest[]> {
    return this.#prompt.digests({ path, algorithms, size, rate: 0 });
  }

  async close(): Promise<void> {
    await Promise.all([this.#prompt.close(), this.#paced.close()]);
  }
}

/** A thread that starts with the first request. */
class Lane {
  #thread: Thread | undefined;
  #closed = false;
  /** One scan at a time, to leave disk bandwidth for clients. */
  readonly #turns = new Gate(1);
  readonly #onRestart: ((error: unknown) => void) | undefined;
  readonly #startWorker: () => Worker;

  constructor(onRestart: ((error: unknown) => void) | undefined, startWorker: () => Worker) {
    this.#onRestart = onRestart;
    this.#startWorker = startWorker;
  }

  digests(request: Omit<ScanRequest, 'id' | 'stop'>, signal?: AbortSignal): Promise<Digest[]> {
    return this.#turns.through(async () => {
      signal?.throwIfAborted();
      const stop = new Int32Array(new SharedArrayBuffer(4));
      const halt = (): void => void Atomics.store(stop, 0, 1);
      signal?.addEventListener('abort', halt, { once: true });
      try {
        return await this.#askTwice({ ...request, stop });
      } finally {
        signal?.removeEventListener('abort', halt);
        signal?.throwIfAborted();
      }
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#thread?.close();
    this.#thread = undefined;
  }

  /** Retries once if the thread dies. */
  async #askTwice(request: Omit<ScanRequest, 'id'>): Promise<Digest[]> {
    for (let attempt = 1; ; attempt += 1) {
      const thread = (this.#thread ??= this.#start());
      try {
        return await thread.ask<Digest[]>((id) => thread.tell({ ...request, id } satisfies ScanRequest));
      } catch (error) {
        if (!(error instanceof ThreadGone)) throw error;
        if (attempt === 2 || this.#closed)
          throw new Refusal('unavailable', 'the scan thread died; try again', {}, error);
      }
    }
  }

  #start(): Thread {
    const thread: Thread = new Thread(this.#startWorker(), {
      errorOf: (failure) => {
        const { message, code = 'UNKNOWN' } = failure as ScanFailure;
        return asReadRefusal(Object.assign(new Error(message), { code }));
      },
      onDeath: (error) => {
        this.#thread = undefined;
        this.#onRestart?.(error);
      },
    });
    return thread;
  }
}
