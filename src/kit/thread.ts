/** Request and response over a worker thread, matched by id. When the thread dies, pending questions fail. */
import type { TransferListItem, Worker } from 'node:worker_threads';

/** Answers of a thread, sent as lists so that answers that are ready together share a message. */
export type ThreadAnswer = readonly [id: number, value: unknown, failure?: unknown];

/** The thread died, or was closed, before it answered. */
export class ThreadGone extends Error {}

export interface ThreadOptions<Told> {
  /** Receives messages that are not lists of answers. */
  readonly onTold?: (message: Told) => void;
  /** Converts a failure that the thread reports into an error. */
  readonly errorOf: (failure: unknown) => unknown;
  /** The error of pending and later questions after the thread died; default: ThreadGone. */
  readonly goneError?: (cause: unknown) => Error;
  /** Called once, before pending questions fail, if the thread died without being closed. */
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
    worker.on('message', (message: Told | readonly ThreadAnswer[]) => {
      if (!Array.isArray(message)) return options.onTold?.(message as Told);
      for (const [id, value, failure] of message as readonly ThreadAnswer[])
        this.settle(id, value, failure === undefined ? undefined : options.errorOf(failure));
    });
    worker.on('error', (error) => this.#die(error));
    worker.on('exit', () => this.#die(undefined));
  }

  /** Why the thread accepts no more questions; undefined while it runs. */
  get gone(): Error | undefined {
    return this.#gone;
  }

  tell(message: unknown, transfer: readonly TransferListItem[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  /** Asks a question; `send` posts it with the given id. */
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

  /** Fails all pending and later questions. */
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
