import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { CheckAlgorithm } from '../../../core/engine.ts';
import { Refusal } from '../../../core/refusal.ts';
import type { Digest } from '../../../kit/digest.ts';
import { Thread, ThreadGone } from '../../../kit/thread.ts';
import type { FreeSlot, ToWorker, WorkerSetup } from './hash-protocol.ts';
import { openReader } from './reader.ts';
import { SharedBlocks, type SharedBlock } from './shared-blocks.ts';
import { workerUrl } from '../../../kit/worker-url.ts';

/** Stages up to this size are hashed on this thread, which is cheaper than messages to a worker. */
export const hashInlineLimit = 256 * 1024;

export interface HasherOptions {
  /** Whether hash threads run at a lower priority. */
  readonly gentle: boolean;
  /** Called when a thread died. Its replacement recomputes its hashes from the files. */
  readonly onRestart?: (error: unknown) => void;
  /** Starts a worker; tests pass their own. */
  readonly start?: (setup: WorkerSetup) => Worker;
}

const startWorker = (setup: WorkerSetup): Worker =>
  new Worker(workerUrl(import.meta.url, './hash-worker'), { workerData: setup });

/** Computes digests of a blob in a thread while its blocks are sent. */
export interface DigestCheck {
  /** Hashes a block. Its memory is transferred meanwhile and returned. */
  block(bytes: Buffer<ArrayBuffer>): Promise<Buffer>;
  sum(): Promise<readonly Digest[]>;
  /** Must always be called at the end. */
  close(): void;
}

/** Computes the sha512 of stages during their appends and digests of blobs during their downloads, in threads. */
export class Hasher {
  readonly slots = new SharedBlocks();
  readonly #threads = new Set<HashThread>();
  readonly #threadOf = new Map<string, HashThread>();
  readonly #options: HasherOptions;
  readonly #width = Math.max(1, Math.min(4, availableParallelism() - 1));

  constructor(options: HasherOptions) {
    this.#options = options;
  }

  /** Passes bytes in a slot to the thread, which frees the slot when it has hashed them. */
  slot(stage: string, path: string, piece: { offset: number; size: number; slot: SharedBlock; written: number }): void {
    piece.slot.use();
    this.#thread(stage).hash(piece.slot, { kind: 'slot', stage, path, ...piece, slot: piece.slot.index });
  }

  /** Reports that the file holds the bytes below `size`, so that they can be hashed. */
  grown(stage: string, path: string, size: number): void {
    if (size > hashInlineLimit) this.#thread(stage).tell({ kind: 'grown', stage, path, size });
  }

  begun(stage: string, offset: number): void {
    this.#threadOf.get(stage)?.tell({ kind: 'begun', stage, offset });
  }

  cut(stage: string, size: number): void {
    this.#threadOf.get(stage)?.tell({ kind: 'cut', stage, size });
  }

  forget(stage: string): void {
    const thread = this.#threadOf.get(stage);
    if (!thread) return;
    thread.tell({ kind: 'forget', stage });
    thread.stages -= 1;
    this.#threadOf.delete(stage);
  }

  /** @returns sha512 in hex of the first `size` bytes, which must be in the file */
  async digest(stage: string, path: string, size: number): Promise<string> {
    if (size === 0) return createHash('sha512').digest('hex');
    if (size > hashInlineLimit || this.#threadOf.has(stage)) return this.#digestInThread(stage, path, size);
    const hash = createHash('sha512');
    const reader = await openReader(path);
    try {
      for await (const bytes of reader.read(0, size)) hash.update(bytes);
    } finally {
      await reader.close();
    }
    return hash.digest('hex');
  }

  /** Retries once if the thread dies. */
  async #digestInThread(stage: string, path: string, size: number): Promise<string> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#thread(stage).digest(stage, path, size);
      } catch (error) {
        if (!(error instanceof ThreadGone)) throw error;
        if (attempt === 2) throw new Refusal('unavailable', 'the hash thread died; try again', {}, error);
      }
    }
  }

  /** Begins a check in the least busy thread. */
  check(algorithms: readonly CheckAlgorithm[]): DigestCheck {
    return this.#idlest().check(algorithms);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#threads].map((thread) => thread.close()));
  }

  /** The thread with the hash state of the stage, else the least busy one. */
  #thread(stage: string): HashThread {
    const known = this.#threadOf.get(stage);
    if (known) return known;
    const idlest = this.#idlest();
    idlest.stages += 1;
    this.#threadOf.set(stage, idlest);
    return idlest;
  }

  #start(): HashThread {
    const { gentle, start = startWorker } = this.#options;
    return new HashThread(start({ slots: this.slots.memory, gentle }), (broken, error) => this.#replace(broken, error));
  }

  #idlest(): HashThread {
    if (this.#threads.size < this.#width) this.#threads.add(this.#start());
    return [...this.#threads].reduce((best, one) => (one.stages + one.checks < best.stages + best.checks ? one : best));
  }

  /** Drops a dead thread; its stages are hashed again from the files. */
  #replace(broken: HashThread, error: Error): void {
    this.#threads.delete(broken);
    for (const [stage, thread] of this.#threadOf) if (thread === broken) this.#threadOf.delete(stage);
    this.#options.onRestart?.(error);
  }
}

class HashThread {
  /** Stages assigned to the thread. */
  stages = 0;
  /** Running checks. */
  checks = 0;
  readonly #thread: Thread<FreeSlot>;
  readonly #hashing = new Map<number, SharedBlock>();
  #lastCheck = 0;

  constructor(worker: Worker, onBroken: (thread: HashThread, error: Error) => void) {
    this.#thread = new Thread(worker, {
      onTold: ({ slot }) => this.#free(slot),
      errorOf: (failure) => new Refusal('lost', 'the bytes of the upload could not be read back', {}, failure),
      onDeath: (error) => {
        onBroken(this, error);
        this.#freeAll();
      },
    });
  }

  tell(message: ToWorker): void {
    this.#thread.tell(message);
  }

  hash(slot: SharedBlock, message: ToWorker): void {
    if (this.#thread.gone) return slot.done();
    this.#hashing.set(slot.index, slot);
    this.tell(message);
  }

  digest(stage: string, path: string, size: number): Promise<string> {
    return this.#thread.ask((ticket) => this.tell({ kind: 'digest', stage, path, size, ticket }));
  }

  check(algorithms: readonly CheckAlgorithm[]): DigestCheck {
    const check = ++this.#lastCheck;
    const thread = this.#thread;
    this.checks += 1;
    this.tell({ kind: 'check', check, algorithms });
    return {
      block: async (block) => {
        const { buffer, byteOffset, byteLength } = await thread
          .ask<Uint8Array<ArrayBuffer>>((ticket) =>
            thread.tell({ kind: 'block', check, ticket, bytes: block } satisfies ToWorker, [block.buffer]),
          )
          .catch(refuseDeadThread);
        return Buffer.from(buffer, byteOffset, byteLength);
      },
      sum: () =>
        thread.ask<readonly Digest[]>((ticket) => this.tell({ kind: 'sum', check, ticket })).catch(refuseDeadThread),
      close: () => {
        this.checks -= 1;
        this.tell({ kind: 'checked', check });
      },
    };
  }

  async close(): Promise<void> {
    await this.#thread.close();
    this.#freeAll();
  }

  #free(index: number): void {
    const slot = this.#hashing.get(index);
    this.#hashing.delete(index);
    slot?.done();
  }

  /** Frees the slots of a dead thread, so that appends continue. */
  #freeAll(): void {
    for (const index of [...this.#hashing.keys()]) this.#free(index);
  }
}

/** A check cannot move to another thread, because the earlier blocks are gone. */
function refuseDeadThread(error: unknown): never {
  throw new Refusal('unavailable', 'the hash thread died; try again', {}, error);
}
