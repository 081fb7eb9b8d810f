/** sha512 of a file, also of one that is still growing, computed in a thread of its own where that pays. */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { workerUrl } from '../../kit/worker-url.ts';
import { StowageError, abortedError } from '../error.ts';
import type { Hash } from '../hash.ts';
import type { HashAnswer, HashOrder } from './file-hash-worker.ts';

export async function nodeHash(algorithm: 'sha256' | 'sha512' = 'sha512'): Promise<Hash> {
  const hash = createHash(algorithm);
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('hex') };
}

/** Files below this many bytes are hashed before a thread would have started. */
const threadFrom = 8 * 1024 * 1024;

/** The sha512 of a file's first bytes. */
export class FileHash {
  readonly #path: string;
  readonly #worker: Worker | undefined;
  /** The thread is gone; the file can still be hashed here. */
  #dead = false;

  /** @param expected roughly how large the file will be, in bytes. */
  constructor(path: string, expected: number) {
    this.#path = path;
    if (expected < threadFrom) return;
    this.#worker = new Worker(workerUrl(import.meta.url, './file-hash-worker'), { workerData: path });
    this.#worker.unref();
    this.#worker.on('error', () => (this.#dead = true));
    this.#worker.on('exit', () => (this.#dead = true));
  }

  /** The file's first `limit` bytes have their final value: hashing may go as far. */
  advance(limit: number): void {
    this.#worker?.postMessage({ limit, last: false } satisfies HashOrder);
  }

  /**
   * sha512 of the first `size` bytes, hex. Ends the hash.
   *
   * @throws StowageError source_changed when the file is shorter.
   */
  async digest(size: number, onProgress: (bytes: number) => void, signal?: AbortSignal): Promise<string> {
    const worker = this.#worker;
    if (!worker || this.#dead) return await hashHere(this.#path, size);
    worker.ref();
    const digest = await new Promise<string | undefined>((resolve, reject) => {
      const dead = (): void => resolve(undefined);
      const onAbort = (): void => reject(abortedError(signal));
      if (signal?.aborted) return onAbort();
      signal?.addEventListener('abort', onAbort, { once: true });
      worker.on('error', dead);
      worker.on('exit', dead);
      worker.on('message', (answer: HashAnswer) => {
        if ('done' in answer) return onProgress(answer.done);
        signal?.removeEventListener('abort', onAbort);
        if ('digest' in answer) resolve(answer.digest);
        else reject(answer.short ? shorter(this.#path) : new Error(answer.failure));
      });
      worker.postMessage({ limit: size, last: true } satisfies HashOrder);
    }).finally(() => this.close());
    return digest ?? (await hashHere(this.#path, size));
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }
}

async function hashHere(path: string, size: number): Promise<string> {
  const hash = createHash('sha512');
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(Math.min(Math.max(size, 1), 1024 * 1024));
    for (let at = 0; at < size;) {
      const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, size - at), at);
      if (bytesRead === 0) throw shorter(path);
      hash.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

function shorter(path: string): StowageError {
  return new StowageError('source_changed', `${path} became shorter while it was read`);
}
