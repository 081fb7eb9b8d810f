import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendContinue, Incoming, defaultRoom, type LowestRate } from './incoming.ts';

/** Buffered bytes of all bodies together, and the minimum for one body. */
const budget = 16 * 1024 * 1024;
const least = 64 * 1024;

export interface LifetimeOptions {
  readonly pace: LowestRate;
  /** Milliseconds without progress after which a download is cut. */
  readonly stall: number;
}

/**
 * Limits the lifetime of requests. There is no total time, because a slow upload is legitimate. A request without
 * progress is cut, and at shutdown every body ends with what has arrived.
 */
export class Lifetime {
  readonly stall: number;
  /** Blob bytes sent so far. */
  sent = 0;
  readonly #pace: LowestRate;
  readonly #bodies = new Set<Incoming>();
  #closing: Error | undefined;
  #received = 0;

  constructor(options: LifetimeOptions) {
    this.stall = options.stall;
    this.#pace = options.pace;
  }

  /** Whether the server is shutting down. */
  get closing(): boolean {
    return this.#closing !== undefined;
  }

  /** Body bytes received so far. */
  get received(): number {
    return this.#received;
  }

  /** Number of bodies being read. */
  get reading(): number {
    return this.#bodies.size;
  }

  /** The body of a request. */
  body(req: IncomingMessage, res: ServerResponse): Incoming {
    const body = new Incoming(req, {
      pace: this.#pace,
      room: () => Math.max(least, Math.min(defaultRoom, budget / this.#bodies.size)),
      onStart: () => sendContinue(req, res),
      onBytes: (count) => void (this.#received += count),
      onEnd: (ended) => void this.#bodies.delete(ended),
    });
    this.#bodies.add(body);
    res.once('close', () => this.#bodies.delete(body));
    if (this.#closing) body.stop(this.#closing);
    return body;
  }

  /** Ends all current and later bodies with what has arrived. */
  close(reason: Error): void {
    this.#closing = reason;
    for (const body of this.#bodies) body.stop(reason);
  }
}
