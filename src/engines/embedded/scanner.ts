import { Worker } from 'node:worker_threads';
import type { Algorithm, Digest } from '../../kit/digest.ts';
import { Gate } from '../../kit/gate.ts';
import { Refusal } from '../../core/refusal.ts';
import type { ScanAnswer, ScanRequest } from './scan-worker.ts';
import { workerUrl } from '../../kit/worker-url.ts';

/** Reads sealed bytes again for digests that somebody asked for, in a thread that starts with the first request. */
export class Scanner {
  #worker: Worker | undefined;
  #closed = false;
  #waiting: { readonly resolve: (answer: ScanAnswer) => void; readonly reject: (error: Error) => void } | undefined;
  /** Scans take turns: the disk is there for people first. */
  readonly #turns = new Gate(1);
  readonly #onRestart: ((error: unknown) => void) | undefined;

  readonly #startWorker: () => Worker;

  /** @param onRestart told when the thread died; the next scan starts another. */
  constructor(onRestart?: (error: unknown) => void, startWorker = () => new Worker(workerUrl(import.meta.url, './scan-worker'))) {
    this.#onRestart = onRestart;
    this.#startWorker = startWorker;
  }

  /** @throws Refusal `lost` when the bytes cannot be read; the signal's reason when it was aborted. */
  digests(path: string, algorithms: readonly Algorithm[], rate?: number, signal?: AbortSignal): Promise<Digest[]> {
    return this.#turns.through(async () => {
      signal?.throwIfAborted();
      const stop = new Int32Array(new SharedArrayBuffer(4));
      const halt = (): void => void Atomics.store(stop, 0, 1);
      signal?.addEventListener('abort', halt, { once: true });
      try {
        const answer = await this.#askTwice({ path, algorithms, rate: rate ?? 0, stop });
        signal?.throwIfAborted();
        if ('failure' in answer) throw new Refusal('lost', 'the bytes could not be read from the disk', {}, new Error(answer.failure));
        return answer.digests;
      } finally {
        signal?.removeEventListener('abort', halt);
      }
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  /** Asks another thread when one dies over the request. */
  async #askTwice(request: ScanRequest): Promise<ScanAnswer> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#ask(request);
      } catch (error) {
        if (attempt === 2 || this.#closed) throw new Refusal('unavailable', 'the thread that reads the disk died; try again', {}, error);
      }
    }
  }

  #ask(request: ScanRequest): Promise<ScanAnswer> {
    const worker = (this.#worker ??= this.#start());
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      worker.postMessage(request);
    });
  }

  #start(): Worker {
    const worker = this.#startWorker();
    const broken = (error: Error): void => {
      // Its exit follows its error, when another may be at work already.
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      if (!this.#closed) this.#onRestart?.(error);
      this.#waiting?.reject(error);
    };
    worker.on('message', (answer: ScanAnswer) => this.#waiting?.resolve(answer));
    worker.on('error', broken);
    worker.on('exit', () => broken(new Error('the scan thread ended')));
    return worker;
  }
}
