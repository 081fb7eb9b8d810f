import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { CheckAlgorithm } from '../../../core/engine.ts';
import { Refusal } from '../../../core/refusal.ts';
import type { Digest } from '../../../kit/digest.ts';
import type { FromWorker, ToWorker, WorkerSetup } from './hash-protocol.ts';
import { openReader } from './reader.ts';
import { SharedBlocks, type SharedBlock } from './shared-blocks.ts';
import { workerUrl } from '../../../kit/worker-url.ts';

/** Stages up to this size are hashed here when their digest is wanted: cheaper than telling a thread about them. */
export const hashInlineLimit = 256 * 1024;

export interface HasherOptions {
  /** Whether hashing takes only what the processor has left. */
  readonly gentle: boolean;
  /** Told when a thread died; the next one computes anew, from the files, what it knew. */
  readonly onRestart?: (error: unknown) => void;
  /** Starts a thread. */
  readonly start?: (setup: WorkerSetup) => Worker;
}

const startWorker = (setup: WorkerSetup): Worker =>
  new Worker(workerUrl(import.meta.url, './hash-worker'), { workerData: setup });

/** The thread died before it answered. */
class ThreadDied extends Error {}

interface Pending {
  readonly resolve: (answer: FromWorker) => void;
  readonly reject: (error: unknown) => void;
}

/** Digests of a blob that are computed in a thread while its blocks are sent. */
export interface Check {
  /** Hashes a block, whose memory is handed over meanwhile; answers it in memory of the same size. */
  block(bytes: Buffer<ArrayBuffer>): Promise<Buffer>;
  sum(): Promise<readonly Digest[]>;
  /** Must be called at the end, whatever happened. */
  close(): void;
}

/** sha512 of stages, computed in threads along with the appends; and digests of blobs, computed along with their downloads. */
export class Hasher {
  readonly slots = new SharedBlocks();
  readonly #threads = new Set<Thread>();
  readonly #threadOf = new Map<string, Thread>();
  readonly #options: HasherOptions;
  readonly #width = Math.max(1, Math.min(4, availableParallelism() - 1));

  constructor(options: HasherOptions) {
    this.#options = options;
  }

  /** Hands over bytes that lie in a slot; hashing gives the slot back when it is done. */
  slot(stage: string, path: string, piece: { offset: number; size: number; slot: SharedBlock; written: number }): void {
    piece.slot.use();
    this.#thread(stage).hash(piece.slot, { kind: 'slot', stage, path, ...piece, slot: piece.slot.index });
  }

  /** Says that the file has the bytes below `size`, so that hashing may follow there. */
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

  /** @returns sha512 in hex of the first `size` bytes, all of which the file has. */
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

  /** A thread that dies over it is replaced, and the question asked once more. */
  async #digestInThread(stage: string, path: string, size: number): Promise<string> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#thread(stage).digest(stage, path, size);
      } catch (error) {
        if (!(error instanceof ThreadDied)) throw error;
        if (attempt === 2) throw new Refusal('unavailable', 'the hash thread died; try again', {}, error);
      }
    }
  }

  /** Begins a check, in the thread that has the least to do. */
  check(algorithms: readonly CheckAlgorithm[]): Check {
    return this.#idlest().check(algorithms);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#threads].map((thread) => thread.close()));
  }

  /** The thread that has the stage's running hash, or the one with the fewest stages. */
  #thread(stage: string): Thread {
    const known = this.#threadOf.get(stage);
    if (known) return known;
    const idlest = this.#idlest();
    idlest.stages += 1;
    this.#threadOf.set(stage, idlest);
    return idlest;
  }

  #start(): Thread {
    const { gentle, start = startWorker } = this.#options;
    return new Thread(start({ slots: this.slots.memory, gentle }), (broken, error) => this.#replace(broken, error));
  }

  #idlest(): Thread {
    if (this.#threads.size < this.#width) this.#threads.add(this.#start());
    return [...this.#threads].reduce((best, one) => (one.stages + one.checks < best.stages + best.checks ? one : best));
  }

  /** What a thread knew is computed anew by the next one, from the files. */
  #replace(broken: Thread, error: Error): void {
    this.#threads.delete(broken);
    for (const [stage, thread] of this.#threadOf) if (thread === broken) this.#threadOf.delete(stage);
    this.#options.onRestart?.(error);
  }
}

class Thread {
  /** Stages assigned to it. */
  stages = 0;
  /** Checks under way in it. */
  checks = 0;
  readonly #onBroken: (thread: Thread, error: Error) => void;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #hashing = new Map<number, SharedBlock>();
  #tickets = 0;
  #fault: Error | undefined;

  constructor(worker: Worker, onBroken: (thread: Thread, error: Error) => void) {
    this.#onBroken = onBroken;
    this.#worker = worker;
    this.#worker.on('message', (message: FromWorker) => this.#hear(message));
    this.#worker.on('error', (error) => this.#break(new ThreadDied('the hash thread died', { cause: error })));
    this.#worker.on('exit', () => this.#break(new ThreadDied('the hash thread ended')));
  }

  tell(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  hash(slot: SharedBlock, message: ToWorker): void {
    if (this.#fault) return slot.done();
    this.#hashing.set(slot.index, slot);
    this.tell(message);
  }

  async digest(stage: string, path: string, size: number): Promise<string> {
    const answer = await this.#ask((ticket) => this.tell({ kind: 'digest', stage, path, size, ticket }));
    return answer.kind === 'digest' ? answer.hex : wrong(answer);
  }

  check(algorithms: readonly CheckAlgorithm[]): Check {
    const check = ++this.#tickets;
    this.checks += 1;
    this.tell({ kind: 'check', check, algorithms });
    return {
      block: async (bytes) => {
        const answer = await this.#ask((ticket) =>
          this.#worker.postMessage({ kind: 'block', check, ticket, bytes } satisfies ToWorker, [bytes.buffer]),
        ).catch(diedOver);
        if (answer.kind !== 'block') return wrong(answer);
        return Buffer.from(answer.bytes.buffer, answer.bytes.byteOffset, answer.bytes.byteLength);
      },
      sum: async () => {
        const answer = await this.#ask((ticket) => this.tell({ kind: 'sum', check, ticket })).catch(diedOver);
        return answer.kind === 'sum' ? answer.digests : wrong(answer);
      },
      close: () => {
        this.checks -= 1;
        this.tell({ kind: 'checked', check });
      },
    };
  }

  async close(): Promise<void> {
    this.#worker.removeAllListeners('exit');
    this.#break(new Error('the hash threads are closed'), false);
    await this.#worker.terminate();
  }

  #ask(send: (ticket: number) => void): Promise<FromWorker> {
    if (this.#fault) return Promise.reject(this.#fault);
    const ticket = ++this.#tickets;
    return new Promise((resolve, reject) => {
      this.#pending.set(ticket, { resolve, reject });
      send(ticket);
    });
  }

  #hear(message: FromWorker): void {
    if (message.kind === 'free') {
      const slot = this.#hashing.get(message.slot);
      this.#hashing.delete(message.slot);
      return slot?.done();
    }
    const pending = this.#pending.get(message.ticket);
    this.#pending.delete(message.ticket);
    if (message.kind !== 'failed') return pending?.resolve(message);
    pending?.reject(new Refusal('lost', 'the bytes of the upload could not be read back', {}, message));
  }

  /** Nothing waits for ever for a thread that is gone: appends go on without it, digests fail and can be asked for again. */
  #break(error: Error, unforeseen = true): void {
    if (this.#fault) return;
    this.#fault = error;
    if (unforeseen) this.#onBroken(this, error);
    for (const slot of this.#hashing.values()) slot.done();
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#hashing.clear();
    this.#pending.clear();
  }
}

/** A download cannot be hashed from its middle on. */
function diedOver(error: unknown): never {
  throw new Refusal('unavailable', 'the hash thread died; try again', {}, error);
}

function wrong(answer: FromWorker): never {
  throw new TypeError(`the hash thread answers with ${answer.kind}`);
}
