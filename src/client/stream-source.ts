/** A stream as a source: it is read once, so what is under way is kept until it has arrived. */
import { StowageError, abortedError, throwIfAborted } from './error.ts';
import type { NewHash } from './hash.ts';
import type { Source } from './source.ts';
import type { Payload } from './transport.ts';
import { Window } from './window.ts';

export interface StreamOptions {
  /** Bytes held at most; half of it goes in one request, so that reading goes on while that is sent. */
  readonly window?: number;
  /** Milliseconds after which what is there is sent, however little. */
  readonly linger?: number;
}

const windowSize = 32 * 1024 * 1024;

/** A source over bytes that come once, such as standard input. */
export function streamSource(stream: AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>, newHash: NewHash, options: StreamOptions = {}): Source {
  return new StreamSource(Symbol.asyncIterator in stream ? stream : iterate(stream), newHash, options);
}

/** Some browsers' streams cannot be iterated. */
async function* iterate(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

class StreamSource implements Source {
  readonly size = undefined;
  readonly rereadable = false;
  readonly mark = undefined;
  readonly #window = new Window();
  readonly #limit: number;
  readonly #linger: number;
  readonly #digest: Promise<string>;
  readonly #iterator: AsyncIterator<Uint8Array>;
  #ended = false;
  #closed = false;
  #fault: unknown;
  #waiting: (() => void)[] = [];

  constructor(stream: AsyncIterable<Uint8Array>, newHash: NewHash, options: StreamOptions) {
    this.#limit = options.window ?? windowSize;
    this.#linger = options.linger ?? 1000;
    this.#iterator = stream[Symbol.asyncIterator]();
    this.#digest = this.#read(newHash);
    this.#digest.catch((error: unknown) => {
      this.#fault = error;
      this.#stir();
    });
  }

  async piece(from: number, most: number, signal: AbortSignal | undefined): Promise<Payload | undefined> {
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
    if (!parts) throw new StowageError('source_spent', `the server asks for byte ${from} of a stream that is past it`, { details: { offset: from, kept: this.#window.base } });
    const size = parts.reduce((sum, part) => sum + part.byteLength, 0);
    if (size === 0) return undefined;
    return { size, pieces: async function* () { yield* parts; } };
  }

  settle(offset: number): void {
    if (offset > this.#window.end) throw new StowageError('conflict', 'the server has more bytes than were sent', { details: { offset } });
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
    // Not waited for: a stream may never answer the read that is under way.
    void Promise.resolve(this.#iterator.return?.()).catch(() => {});
  }

  /** Reads to the end, as far ahead as the window allows; answers the sha512 of everything. */
  async #read(newHash: NewHash): Promise<string> {
    const hash = await newHash();
    for (;;) {
      while (this.#window.end - this.#window.base >= this.#limit && !this.#closed) await this.#change();
      if (this.#closed) throw abortedError();
      const { done, value } = await this.#iterator.next();
      if (done) break;
      hash.update(value);
      this.#window.push(value);
      this.#stir();
    }
    this.#ended = true;
    this.#stir();
    return hash.digest();
  }

  /** Resolves when the window changed, the time is over, or the signal fired. */
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
