/** A source that is read once and buffers bytes until they are stored. */
import { StowageError, abortedError, throwIfAborted } from './error.ts';
import type { NewHash } from './hash.ts';
import type { UploadSource } from './source.ts';
import type { RequestPayload } from './transport.ts';
import { SendWindow } from './window.ts';

export interface StreamOptions {
  /** Maximum bytes buffered; a request takes half, so that reading continues while it is sent. */
  readonly window?: number;
  /** Milliseconds after which buffered bytes are sent, however few. */
  readonly linger?: number;
}

const windowSize = 32 * 1024 * 1024;

/** A source for a stream such as standard input. */
export function streamSource(
  stream: AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>,
  newHash: NewHash,
  options: StreamOptions = {},
): UploadSource {
  return new StreamSource(originOf(stream), newHash, options);
}

/** The input of the source. */
interface Origin {
  next(): Promise<Uint8Array | undefined>;
  /** Ends the input, also during a pending `next`. */
  stop(): void;
}

function originOf(stream: AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>): Origin {
  if ('getReader' in stream) {
    const reader = stream.getReader();
    return { next: async () => (await reader.read()).value, stop: () => void reader.cancel().catch(() => {}) };
  }
  const iterator = stream[Symbol.asyncIterator]();
  // `return` on the iterator of a Node stream waits for the pending read; `destroy` does not.
  const stop = isDestroyable(stream)
    ? () => void stream.destroy()
    : () => void Promise.resolve(iterator.return?.()).catch(() => {});
  return {
    next: async () => {
      const result = await iterator.next();
      return result.done ? undefined : result.value;
    },
    stop,
  };
}

function isDestroyable(stream: object): stream is { destroy(): unknown } {
  return 'destroy' in stream && typeof stream.destroy === 'function';
}

class StreamSource implements UploadSource {
  readonly size = undefined;
  readonly rereadable = false;
  readonly mark = undefined;
  readonly #window = new SendWindow();
  readonly #limit: number;
  readonly #linger: number;
  readonly #digest: Promise<string>;
  readonly #origin: Origin;
  #ended = false;
  #closed = false;
  #fault: unknown;
  #waiting: (() => void)[] = [];

  constructor(origin: Origin, newHash: NewHash, options: StreamOptions) {
    this.#limit = options.window ?? windowSize;
    this.#linger = options.linger ?? 1000;
    this.#origin = origin;
    this.#digest = this.#read(newHash);
    this.#digest.catch((error: unknown) => {
      this.#fault = error;
      this.#stir();
    });
  }

  async piece(from: number, most: number, signal: AbortSignal | undefined): Promise<RequestPayload | undefined> {
    const wanted = Math.min(most, Math.ceil(this.#limit / 2));
    const until = Date.now() + this.#linger;
    while (!this.#ended && this.#window.end - from < wanted) {
      throwIfAborted(signal);
      if (this.#fault) throw this.#fault;
      const some = this.#window.end > from;
      if (some && Date.now() >= until) break;
      await this.#change(signal, some ? until - Date.now() : undefined);
    }
    if (this.#fault) throw this.#fault;
    const parts = this.#window.slice(from, wanted);
    if (!parts) {
      throw new StowageError('source_spent', `the server asks for byte ${from}, which the stream has already passed`, {
        details: { offset: from, kept: this.#window.base },
      });
    }
    const size = parts.reduce((sum, part) => sum + part.byteLength, 0);
    if (size === 0) return undefined;
    return {
      size,
      pieces: async function* () {
        yield* parts;
      },
    };
  }

  settle(offset: number): void {
    if (offset > this.#window.end)
      throw new StowageError('conflict', 'the server has more bytes than were sent', { details: { offset } });
    this.#window.settle(offset);
    this.#stir();
  }

  async sha512(): Promise<string> {
    return await this.#digest;
  }

  async unchanged(): Promise<boolean> {
    return true;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stir();
    if (!this.#ended) this.#origin.stop();
  }

  /** Reads to the end, limited by the window. @returns the sha512 of everything */
  async #read(newHash: NewHash): Promise<string> {
    const hash = await newHash();
    for (;;) {
      while (this.#window.end - this.#window.base >= this.#limit && !this.#closed) await this.#change();
      if (this.#closed) throw abortedError();
      const piece = await this.#origin.next();
      if (!piece) break;
      hash.update(piece);
      this.#window.push(piece);
      this.#stir();
    }
    this.#ended = true;
    this.#stir();
    return hash.digest();
  }

  /** Resolves when the window changes, the time is over, or the signal fires. */
  #change(signal?: AbortSignal, ms?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(() => done(), ms);
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      signal?.addEventListener('abort', done, { once: true });
      this.#waiting.push(done);
    });
  }

  #stir(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
