/** sha512 of a file that may still be growing; large files are hashed in a thread. */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { Thread, ThreadGone } from '../../kit/thread.ts';
import { workerUrl } from '../../kit/worker-url.ts';
import { StowageError, abortedError } from '../error.ts';
import type { Hash } from '../hash.ts';
import type { HashFailure, HashOrder, HashProgress } from './file-hash-worker.ts';

export async function nodeHash(algorithm: 'sha256' | 'sha512' = 'sha512'): Promise<Hash> {
  const hash = createHash(algorithm);
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('hex') };
}

/** Smaller files, in bytes, are hashed faster than a thread starts. */
const threadFrom = 8 * 1024 * 1024;

/** The sha512 of the first bytes of a file. */
export class FileHash {
  readonly #path: string;
  readonly #worker: Worker | undefined;
  readonly #thread: Thread<HashProgress> | undefined;
  #onProgress: ((bytes: number) => void) | undefined;

  /** @param expected approximate final size in bytes */
  constructor(path: string, expected: number) {
    this.#path = path;
    if (expected < threadFrom) return;
    this.#worker = new Worker(workerUrl(import.meta.url, './file-hash-worker'), { workerData: path });
    this.#worker.unref();
    this.#thread = new Thread(this.#worker, {
      onTold: ({ done }) => this.#onProgress?.(done),
      errorOf: (failure) => {
        const { message } = failure as HashFailure;
        return message === undefined ? shorter(path) : new Error(message);
      },
    });
  }

  /** The first `limit` bytes are final and can be hashed. */
  advance(limit: number): void {
    this.#thread?.tell({ limit } satisfies HashOrder);
  }

  /**
   * sha512 of the first `size` bytes, hex. Ends the hash.
   *
   * @throws StowageError source_changed if the file is shorter
   */
  async digest(size: number, onProgress: (bytes: number) => void, signal?: AbortSignal): Promise<string> {
    const thread = this.#thread;
    // If the thread died, the file is hashed on this thread.
    if (!thread || thread.gone) return await hashHere(this.#path, size);
    const stop = (): void => void thread.close().catch(() => undefined);
    this.#worker?.ref();
    this.#onProgress = onProgress;
    signal?.addEventListener('abort', stop, { once: true });
    try {
      if (signal?.aborted) throw abortedError(signal);
      return await thread.ask<string>((id) => thread.tell({ limit: size, id } satisfies HashOrder));
    } catch (error) {
      if (signal?.aborted) throw abortedError(signal);
      if (error instanceof ThreadGone) return await hashHere(this.#path, size);
      throw error;
    } finally {
      signal?.removeEventListener('abort', stop);
      await this.close();
    }
  }

  async close(): Promise<void> {
    await this.#thread?.close();
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
