/** A thread that is asked. Each question has a number, by which its answer is known; nobody waits for a thread that is gone. */
import type { TransferListItem, Worker } from 'node:worker_threads';

/** What a thread answers: lists of these, so that answers that become ready together travel together. */
export type Answer = readonly [id: number, value: unknown, failure?: unknown];

/** The thread died, or was closed, before it answered. */
export class ThreadGone extends Error {}

export interface ThreadOptions<Told> {
  /** Hears what is no list of answers. */
  readonly onTold?: (message: Told) => void;
  /** What a failure that the thread tells is on this side. */
  readonly errorOf: (failure: unknown) => unknown;
  /** What whoever asks is told once the thread is gone; a ThreadGone unless told. */
  readonly goneError?: (cause: unknown) => Error;
  /** Told once, before whoever waits, when the thread is gone and was not closed. */
  readonly onDeath?: (error: Error) => void;
}

interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

export class Thread<Told = never> {
  readonly #worker: Worker;
  readonly #options: ThreadOptions<Told>;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #gone: Error | undefined;

  constructor(worker: Worker, options: ThreadOptions<Told>) {
    this.#worker = worker;
    this.#options = options;
    worker.on('message', (message: Told | readonly Answer[]) => {
      if (!Array.isArray(message)) return options.onTold?.(message as Told);
      for (const [id, value, failure] of message as readonly Answer[])
        this.settle(id, value, failure === undefined ? undefined : options.errorOf(failure));
    });
    worker.on('error', (error) => this.#die(error));
    worker.on('exit', () => this.#die(undefined));
  }

  /** Why nothing can be asked any more. */
  get gone(): Error | undefined {
    return this.#gone;
  }

  tell(message: unknown, transfer: readonly TransferListItem[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  /** Asks by `send`, which tells the thread a question with this number. */
  ask<T>(send: (id: number) => void): Promise<T> {
    if (this.#gone) return Promise.reject(this.#gone);
    const id = ++this.#lastId;
    return new Promise<T>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      send(id);
    });
  }

  settle(id: number, value: unknown, error: unknown): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (error === undefined) pending?.resolve(value as never);
    else pending?.reject(error);
  }

  /** Refuses what was asked, and what will be. */
  lose(why: Error): void {
    this.#gone ??= why;
    for (const pending of this.#pending.values()) pending.reject(this.#gone);
    this.#pending.clear();
  }

  async close(): Promise<void> {
    this.lose(this.#goneError());
    await this.#worker.terminate();
  }

  #die(cause: unknown): void {
    if (this.#gone) return;
    this.#gone = this.#goneError(cause);
    this.#options.onDeath?.(this.#gone);
    this.lose(this.#gone);
  }

  #goneError(cause?: unknown): Error {
    return this.#options.goneError?.(cause) ?? new ThreadGone('the thread is gone', { cause });
  }
}
