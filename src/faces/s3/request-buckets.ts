import type { Core } from '../../core/index.ts';
import type { Bucket } from '../../core/records.ts';

/** Reads each bucket once for a request, so that CORS, authorization and response use the same state. */
export class RequestBuckets {
  readonly #core: Core;
  readonly #buckets = new Map<string, Promise<Bucket | undefined>>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** Drops a bucket that has changed, so that it is read again. */
  forget(name: string): void {
    this.#buckets.delete(name);
  }

  get(name: string): Promise<Bucket | undefined> {
    const known = this.#buckets.get(name) ?? this.#core.buckets.peek(name);
    this.#buckets.set(name, known);
    return known;
  }
}
