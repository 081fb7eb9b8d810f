import type { IncomingMessage, ServerResponse } from 'node:http';
import { giveLeave, Incoming, usualRoom, type Pace } from './incoming.ts';

/** Bytes kept between sockets and whoever reads, for all bodies together; and for one body at least. */
const budget = 16 * 1024 * 1024;
const least = 64 * 1024;

export interface LifetimeOptions {
  readonly pace: Pace;
  /** Milliseconds for which a reader may take nothing before its download is given up. */
  readonly stall: number;
}

/**
 * How long requests may live. No total time: an honest slow upload takes as long as it takes. What brings or takes
 * nothing is cut, and a server that goes down makes every body end with what has arrived.
 */
export class Lifetime {
  readonly stall: number;
  /** Bytes of stored things sent so far. */
  sent = 0;
  readonly #pace: Pace;
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

  /** Bytes of bodies received so far. */
  get received(): number {
    return this.#received;
  }

  /** Bodies being read now. */
  get reading(): number {
    return this.#bodies.size;
  }

  /** The body of a request. */
  body(req: IncomingMessage, res: ServerResponse): Incoming {
    const body = new Incoming(req, {
      pace: this.#pace,
      room: () => Math.max(least, Math.min(usualRoom, budget / this.#bodies.size)),
      onStart: () => giveLeave(req, res),
      onBytes: (count) => void (this.#received += count),
      onEnd: (ended) => void this.#bodies.delete(ended),
    });
    this.#bodies.add(body);
    res.once('close', () => this.#bodies.delete(body));
    if (this.#closing) body.stop(this.#closing);
    return body;
  }

  /** Ends every body, now and from now on, with what has arrived. */
  close(reason: Error): void {
    this.#closing = reason;
    for (const body of this.#bodies) body.stop(reason);
  }
}
