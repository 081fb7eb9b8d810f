/** A cache of uploads, credentials and buckets on the main thread, for the reads of every append and object request. */
import { LRUCache } from 'lru-cache';
import type { Catalog } from '../../../core/engine.ts';
import type { Bucket, Credential, Upload } from '../../../catalog/model.ts';

/** Records of each kind; the least recently used is evicted. */
const limit = 1000;

/** Nouns whose writes may change uploads or credentials. */
const cachedNouns = ['namespaces', 'uploads', 'artifacts'] as const;
/** Their read-only methods. */
const reads: ReadonlySet<string> = new Set([
  'get',
  'list',
  'idle',
  'waiting',
  'credential',
  'credentials',
  'pending',
  'named',
  'versions',
]);

type Fact = (...args: unknown[]) => Promise<unknown>;

/**
 * Wraps the catalog with a cache of uploads, credentials and buckets.
 *
 * Only for a process that has the catalog alone. Each write invalidates before it starts and after it ends, and values
 * read in between are not cached. So a read that begins after a write ends never returns an older value.
 */
export function cached(catalog: Catalog): Catalog {
  const credentials = new Cache<Credential>();
  const uploads = new Cache<Upload>();
  const forget = (): void => {
    credentials.forget();
    uploads.forget();
  };
  const invalidated = invalidating(catalog, forget);
  const buckets = new Cache<Bucket>();
  const changing = async <T>(name: string | undefined, ask: () => Promise<T>): Promise<T> => {
    buckets.forget(name);
    return ask().finally(() => buckets.forget(name));
  };
  return {
    ...invalidated,
    namespaces: {
      ...invalidated.namespaces,
      credential: (namespace, name) =>
        credentials.look(JSON.stringify([namespace, name]), () => catalog.namespaces.credential(namespace, name)),
      remove: (...args) => changing(undefined, () => invalidated.namespaces.remove(...args)),
    },
    multipart: {
      ...invalidated.multipart,
      end: async (...args) => {
        forget();
        return catalog.multipart.end(...args).finally(forget);
      },
    },
    buckets: {
      ...invalidated.buckets,
      get: (name) => buckets.look(name, () => catalog.buckets.get(name)),
      create: (bucket, event) => changing(bucket.name, () => catalog.buckets.create(bucket, event)),
      change: (bucket, ...args) => changing(bucket.name, () => catalog.buckets.change(bucket, ...args)),
      // Removing a bucket also ends the multipart uploads in it.
      remove: async (bucket, event) => {
        forget();
        return changing(bucket.name, () => catalog.buckets.remove(bucket, event)).finally(forget);
      },
    },
    uploads: {
      ...invalidated.uploads,
      get: (id) => uploads.look(id, () => catalog.uploads.get(id)),
      // The two writes of every append affect one upload each, and `advance` returns its new record.
      advance: (id, move) => uploads.change(id, () => catalog.uploads.advance(id, move)),
      answered: async (marks) => {
        const forgetMarked = (): void => marks.forEach(([id]) => uploads.forget(id));
        forgetMarked();
        await catalog.uploads.answered(marks).finally(forgetMarked);
      },
    },
  };
}

/** Wraps every write of the nouns above with `forget`. A method not listed as a read counts as a write. */
function invalidating(catalog: Catalog, forget: () => void): Catalog {
  const wrapped = cachedNouns.map((noun) => {
    const facts = catalog[noun] as unknown as Readonly<Record<string, Fact>>;
    const entries = Object.entries(facts).map(([method, fact]): [string, Fact] => {
      if (reads.has(method)) return [method, fact];
      return [
        method,
        async (...args) => {
          forget();
          return fact(...args).finally(forget);
        },
      ];
    });
    return [noun, Object.fromEntries(entries)] as const;
  });
  return { ...catalog, ...(Object.fromEntries(wrapped) as unknown as Pick<Catalog, (typeof cachedNouns)[number]>) };
}

interface CacheEntry<T> {
  /** Undefined while it is being read. */
  readonly value: T | undefined;
}

class Cache<T> {
  readonly #kept = new LRUCache<string, CacheEntry<T>>({ max: limit });

  async look(key: string, ask: () => Promise<T | undefined>): Promise<T | undefined> {
    const known = this.#kept.get(key)?.value;
    if (known !== undefined) return known;
    const asked = this.#begin(key);
    const value = await ask();
    // Keep it unless another read or write replaced the entry meanwhile; that one is newer.
    if (this.#kept.get(key) === asked) this.#kept.set(key, { value });
    return value;
  }

  /** Runs a write that returns the new record. */
  async change(key: string, ask: () => Promise<T | undefined>): Promise<T | undefined> {
    const asked = this.#begin(key);
    let value: T | undefined;
    try {
      value = await ask();
    } finally {
      // A concurrent read may have returned the old record.
      if (this.#kept.get(key) === asked && value !== undefined) this.#kept.set(key, { value });
      else this.forget(key);
    }
    return value;
  }

  forget(key?: string): void {
    if (key === undefined) this.#kept.clear();
    else this.#kept.delete(key);
  }

  #begin(key: string): CacheEntry<T> {
    const asked: CacheEntry<T> = { value: undefined };
    this.#kept.set(key, asked);
    return asked;
  }
}
