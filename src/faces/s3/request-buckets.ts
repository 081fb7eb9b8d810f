import type { Core } from '../../core/index.ts';
import type { Bucket } from '../../core/records.ts';

/** What was read for one request: each bucket once, so that rules, rights and answer go by the same facts. */
export class RequestBuckets {
  readonly #core: Core;
  readonly #buckets = new Map<string, Promise<Bucket | undefined>>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** Reads a bucket anew when it is asked for next, because it changed meanwhile. */
  forget(name: string): void {
    this.#buckets.delete(name);
  }

  bucket(name: string): Promise<Bucket | undefined> {
    const known = this.#buckets.get(name) ?? this.#core.buckets.peek(name);
    this.#buckets.set(name, known);
    return known;
  }
}
