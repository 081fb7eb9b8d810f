import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Body } from '../core/bytes/ingest.ts';
import { Refusal } from '../core/refusal.ts';

/** Default buffer in bytes; enough to keep both sides busy. */
export const defaultRoom = 512 * 1024;

/** A body must bring `rate` bytes a second on average in each `window` milliseconds; 0 disables the check. */
export interface LowestRate {
  readonly rate: number;
  readonly window: number;
}

export interface IncomingOptions {
  readonly pace: LowestRate;
  /** Bytes buffered between socket and reader; default 512 KiB. */
  readonly room?: () => number;
  /** Called once, before the first read. */
  readonly onStart?: () => void;
  /** Called with the size of every chunk that arrives. */
  readonly onBytes?: (count: number) => void;
  /** Called once, after the last read. */
  readonly onEnd?: (body: Incoming) => void;
}

/**
 * The body of a message. A cut connection ends the input and is not an exception: the received bytes are delivered, the
 * iteration ends, and `cut` holds the cause.
 *
 * Bytes go from 'data' events into a queue of this class, because each further stream stage could lose received bytes
 * when the connection is reset.
 */
export class Incoming implements Body {
  readonly length: number | undefined;
  readonly #req: IncomingMessage;
  readonly #options: IncomingOptions;
  readonly #queue: Uint8Array[] = [];
  #queued = 0;
  #arrived = 0;
  #paused = false;
  #started = false;
  #ended = false;
  #cut: Error | undefined;
  #wake: (() => void) | undefined;
  #watch: NodeJS.Timeout | undefined;

  constructor(req: IncomingMessage, options: IncomingOptions) {
    this.#req = req;
    this.#options = options;
    const announced = req.headers['content-length'];
    this.length = announced === undefined ? (hasBody(req) ? undefined : 0) : Number(announced);
    req.on('error', this.#onError);
    req.on('close', this.#onClose);
  }

  get cut(): Error | undefined {
    return this.#cut;
  }

  /** Bytes received so far. */
  get arrived(): number {
    return this.#arrived;
  }

  stop(reason: Error): void {
    if (this.#ended) return;
    this.#drain();
    this.#finish(reason);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    this.#start();
    return {
      next: () => this.#next(),
      return: async () => {
        this.stop(new Refusal('interrupted', 'the server stopped reading the body'));
        this.#queue.length = 0;
        return { value: undefined, done: true };
      },
    };
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    for (;;) {
      const chunk = this.#queue.shift();
      if (chunk) {
        this.#queued -= chunk.byteLength;
        if (this.#paused && this.#queued < this.#room() / 2) this.#resume();
        return { value: chunk, done: false };
      }
      if (this.#ended) return { value: undefined, done: true };
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #start(): void {
    if (this.#started || this.#ended) return;
    this.#started = true;
    if (this.#req.destroyed && !this.#req.complete) {
      this.stop(new Refusal('interrupted', 'the connection closed before the body was read'));
      return;
    }
    this.#options.onStart?.();
    this.#req.on('data', this.#onData);
    this.#req.on('end', this.#onEnd);
    this.#watchPace();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#take(chunk);
    if (this.#queued >= this.#room() && !this.#paused) {
      this.#paused = true;
      this.#req.pause();
    }
  };

  readonly #onEnd = (): void => {
    this.#finish(this.#req.complete ? undefined : new Refusal('interrupted', 'the body ended early'));
  };

  readonly #onError = (error: Error): void => {
    this.#drain();
    this.#finish(error);
  };

  readonly #onClose = (): void => {
    this.#drain();
    this.#finish(
      this.#req.complete ? undefined : new Refusal('interrupted', 'the connection closed before the end of the body'),
    );
  };

  #take(chunk: Uint8Array): void {
    this.#queue.push(chunk);
    this.#queued += chunk.byteLength;
    this.#arrived += chunk.byteLength;
    this.#options.onBytes?.(chunk.byteLength);
    this.#wake?.();
  }

  /** Takes the bytes that are already in the request's buffer, so that they are not lost. */
  #drain(): void {
    if (!this.#started || this.#ended) return;
    this.#req.off('data', this.#onData);
    for (;;) {
      const chunk = this.#req.read() as Uint8Array | null;
      if (chunk === null) return;
      this.#take(chunk);
    }
  }

  #room(): number {
    return this.#options.room?.() ?? defaultRoom;
  }

  #resume(): void {
    this.#paused = false;
    if (!this.#ended) this.#req.resume();
  }

  #finish(cut: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cut = cut;
    clearInterval(this.#watch);
    const { onEnd } = this.#options;
    this.#req.off('data', this.#onData);
    this.#req.off('end', this.#onEnd);
    if (cut && !this.#req.destroyed) this.#req.pause();
    this.#wake?.();
    onEnd?.(this);
  }

  /** Stops a body that is too slow. Windows in which this side paused reading do not count. */
  #watchPace(): void {
    const { rate, window } = this.#options.pace;
    if (rate === 0) return;
    let before = 0;
    let waited = false;
    this.#watch = setInterval(() => {
      const brought = this.#arrived - before;
      before = this.#arrived;
      const ours = this.#paused || waited;
      waited = this.#paused;
      if (ours || brought * 1000 >= rate * window) return;
      this.stop(new Refusal('interrupted', `the body was slower than ${rate} bytes per second`));
    }, window).unref();
  }
}

/** Whether the request declares a body. */
export function hasBody(req: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': coding } = req.headers;
  return coding !== undefined || (length !== undefined && length !== '0');
}

const expecting = new WeakSet<IncomingMessage>();

/** Records that the client waits for `100 Continue`. */
export function noteExpectation(req: IncomingMessage): void {
  expecting.add(req);
}

/** Whether the client still waits for `100 Continue`. */
export function expectsContinue(req: IncomingMessage): boolean {
  return expecting.has(req);
}

/** Sends `100 Continue` if the client waits for it. */
export function sendContinue(req: IncomingMessage, res: ServerResponse): void {
  if (expecting.delete(req)) res.writeContinue();
}
