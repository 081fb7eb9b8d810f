/** What the catalog's thread said last, kept on this side of it, for what every append and every object asks. */
import { LRUCache } from 'lru-cache';
import type { Catalog } from '../../../core/engine.ts';
import type { Bucket, Credential, Upload } from '../../../catalog/model.ts';

/** Records kept of each kind; the one asked for longest ago goes first. */
const limit = 1000;

/** Nouns whose changes may make uploads or credentials other ones. */
const telling = ['namespaces', 'uploads', 'artifacts'] as const;
/** Their methods that change nothing. */
const looks: ReadonlySet<string> = new Set([
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
 * The same catalog, which answers a look at an upload, a credential or a bucket from memory where nothing can have changed it.
 *
 * Only for a process that alone has the catalog. Whatever may change a record makes it forgotten when it is asked for and
 * again when it is done, and what was read meanwhile is not kept: a look that begins after a change ends never sees the
 * time before it.
 */
export function cached(catalog: Catalog): Catalog {
  const credentials = new Cache<Credential>();
  const uploads = new Cache<Upload>();
  const forget = (): void => {
    credentials.forget();
    uploads.forget();
  };
  const wary = forgetful(catalog, forget);
  const buckets = new Cache<Bucket>();
  const changing = async <T>(name: string | undefined, ask: () => Promise<T>): Promise<T> => {
    buckets.forget(name);
    return ask().finally(() => buckets.forget(name));
  };
  return {
    ...wary,
    namespaces: {
      ...wary.namespaces,
      credential: (namespace, name) =>
        credentials.look(JSON.stringify([namespace, name]), () => catalog.namespaces.credential(namespace, name)),
      remove: (...args) => changing(undefined, () => wary.namespaces.remove(...args)),
    },
    multipart: {
      ...wary.multipart,
      end: async (...args) => {
        forget();
        return catalog.multipart.end(...args).finally(forget);
      },
    },
    buckets: {
      ...wary.buckets,
      get: (name) => buckets.look(name, () => catalog.buckets.get(name)),
      create: (bucket, event) => changing(bucket.name, () => catalog.buckets.create(bucket, event)),
      change: (name, ...args) => changing(name, () => catalog.buckets.change(name, ...args)),
      // With a bucket end the uploads of what was never put together in it.
      remove: async (name, event) => {
        forget();
        return changing(name, () => catalog.buckets.remove(name, event)).finally(forget);
      },
    },
    uploads: {
      ...wary.uploads,
      get: (id) => uploads.look(id, () => catalog.uploads.get(id)),
      // The two changes that every append makes touch one upload each, and the first of them says what it is then.
      advance: (id, move) => uploads.change(id, () => catalog.uploads.advance(id, move)),
      answered: async (marks) => {
        const forgetMarked = (): void => marks.forEach(([id]) => uploads.forget(id));
        forgetMarked();
        await catalog.uploads.answered(marks).finally(forgetMarked);
      },
    },
  };
}

/** The catalog with every change that tells put between two calls of `forget`. A method that is not known to look changes something. */
function forgetful(catalog: Catalog, forget: () => void): Catalog {
  const wrapped = telling.map((noun) => {
    const facts = catalog[noun] as unknown as Readonly<Record<string, Fact>>;
    const entries = Object.entries(facts).map(([method, fact]): [string, Fact] => {
      if (looks.has(method)) return [method, fact];
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
  return { ...catalog, ...(Object.fromEntries(wrapped) as unknown as Pick<Catalog, (typeof telling)[number]>) };
}

interface Kept<T> {
  /** Undefined while it is being asked for. */
  readonly value: T | undefined;
}

class Cache<T> {
  readonly #kept = new LRUCache<string, Kept<T>>({ max: limit });

  async look(key: string, ask: () => Promise<T | undefined>): Promise<T | undefined> {
    const known = this.#kept.get(key)?.value;
    if (known !== undefined) return known;
    const asked = this.#begin(key);
    const value = await ask();
    // Unless somebody asked or changed it meanwhile: theirs is newer.
    if (this.#kept.get(key) === asked) this.#kept.set(key, { value });
    return value;
  }

  /** Asks for a change that answers what the record is then. */
  async change(key: string, ask: () => Promise<T | undefined>): Promise<T | undefined> {
    const asked = this.#begin(key);
    let value: T | undefined;
    try {
      value = await ask();
    } finally {
      // A look under way may have seen the time before.
      if (this.#kept.get(key) === asked && value !== undefined) this.#kept.set(key, { value });
      else this.forget(key);
    }
    return value;
  }

  forget(key?: string): void {
    if (key === undefined) this.#kept.clear();
    else this.#kept.delete(key);
  }

  #begin(key: string): Kept<T> {
    const asked: Kept<T> = { value: undefined };
    this.#kept.set(key, asked);
    return asked;
  }
}
