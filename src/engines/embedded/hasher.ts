import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { Refusal } from '../../core/refusal.ts';
import type { FromWorker, ToWorker, WorkerSetup } from './hash-protocol.ts';
import { openReader } from './reader.ts';
import { Slots, type Slot } from './slots.ts';
import { workerUrl } from '../../kit/worker-url.ts';

/** Stages up to this size are hashed here when their digest is wanted: cheaper than telling a thread about them. */
export const small = 256 * 1024;

interface Pending {
  readonly resolve: (hex: string) => void;
  readonly reject: (error: unknown) => void;
}

/** sha512 of stages, computed in threads along with the appends. */
export class Hasher {
  readonly slots = new Slots();
  readonly #threads = new Set<Thread>();
  readonly #threadOf = new Map<string, Thread>();
  readonly #gentle: boolean;
  readonly #width = Math.max(1, Math.min(4, availableParallelism() - 1));

  /** @param options.gentle whether hashing takes only what the processor has left. */
  constructor(options: { readonly gentle: boolean }) {
    this.#gentle = options.gentle;
  }

  /** Hands over bytes that lie in a slot; hashing gives the slot back when it is done. */
  slot(stage: string, path: string, piece: { offset: number; size: number; slot: Slot; written: number }): void {
    piece.slot.use();
    this.#thread(stage).hash(piece.slot, { kind: 'slot', stage, path, ...piece, slot: piece.slot.index });
  }

  /** Says that the file has the bytes below `size`, so that hashing may follow there. */
  grown(stage: string, path: string, size: number): void {
    if (size > small) this.#thread(stage).tell({ kind: 'grown', stage, path, size });
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
    if (size > small || this.#threadOf.has(stage)) return this.#thread(stage).digest(stage, path, size);
    const hash = createHash('sha512');
    const reader = await openReader(path);
    try {
      for await (const bytes of reader.read(0, size)) hash.update(bytes);
    } finally {
      await reader.close();
    }
    return hash.digest('hex');
  }

  async close(): Promise<void> {
    await Promise.all([...this.#threads].map((thread) => thread.close()));
  }

  /** The thread that has the stage's running hash, or the one with the fewest stages. */
  #thread(stage: string): Thread {
    const known = this.#threadOf.get(stage);
    if (known) return known;
    if (this.#threads.size < this.#width) this.#threads.add(new Thread({ slots: this.slots.memory, gentle: this.#gentle }, (broken) => this.#replace(broken)));
    const idlest = [...this.#threads].reduce((best, one) => (one.stages < best.stages ? one : best));
    idlest.stages += 1;
    this.#threadOf.set(stage, idlest);
    return idlest;
  }

  /** What a thread knew is computed anew by the next one, from the files. */
  #replace(broken: Thread): void {
    this.#threads.delete(broken);
    for (const [stage, thread] of this.#threadOf) if (thread === broken) this.#threadOf.delete(stage);
  }
}

class Thread {
  /** Stages assigned to it. */
  stages = 0;
  readonly #onBroken: (thread: Thread) => void;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #hashing = new Map<number, Slot>();
  #tickets = 0;
  #fault: Error | undefined;

  constructor(setup: WorkerSetup, onBroken: (thread: Thread) => void) {
    this.#onBroken = onBroken;
    this.#worker = new Worker(workerUrl(import.meta.url, './hash-worker'), { workerData: setup });
    this.#worker.on('message', (message: FromWorker) => this.#hear(message));
    this.#worker.on('error', (error) => this.#break(error));
    this.#worker.on('exit', () => this.#break(new Error('the hash thread ended')));
  }

  tell(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  hash(slot: Slot, message: ToWorker): void {
    if (this.#fault) return slot.done();
    this.#hashing.set(slot.index, slot);
    this.tell(message);
  }

  digest(stage: string, path: string, size: number): Promise<string> {
    if (this.#fault) return Promise.reject(this.#fault);
    const ticket = ++this.#tickets;
    return new Promise((resolve, reject) => {
      this.#pending.set(ticket, { resolve, reject });
      this.tell({ kind: 'digest', stage, path, size, ticket });
    });
  }

  async close(): Promise<void> {
    this.#worker.removeAllListeners('exit');
    await this.#worker.terminate();
  }

  #hear(message: FromWorker): void {
    if (message.kind === 'free') {
      const slot = this.#hashing.get(message.slot);
      this.#hashing.delete(message.slot);
      return slot?.done();
    }
    const pending = this.#pending.get(message.ticket);
    this.#pending.delete(message.ticket);
    if (message.kind === 'digest') return pending?.resolve(message.hex);
    pending?.reject(new Refusal('lost', 'the bytes of the upload could not be read back', {}, message));
  }

  /** Nothing waits for ever for a thread that is gone: appends go on without it, digests fail and can be asked for again. */
  #break(error: Error): void {
    if (this.#fault) return;
    this.#fault = error;
    this.#onBroken(this);
    for (const slot of this.#hashing.values()) slot.done();
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#hashing.clear();
    this.#pending.clear();
  }
}
