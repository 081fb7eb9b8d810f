import { LRUCache } from 'lru-cache';
import type { Engine } from '../engine.ts';
import { holdingIfFree } from '../bytes/upload-locks.ts';

/** Runs kept in mind; the ends of others have more to do. */
const most = 1000;

interface Run {
  /** The uploads of parts 1, 2, ... without a gap. */
  readonly parts: { readonly stage: string; readonly size: number }[];
  readonly waiting: Map<number, { readonly stage: string; readonly size: number }>;
  joining: boolean;
}

/**
 * Joins the first parts of a multipart upload while more of them come, so that the whole is hashed by the time it is
 * ended. Only a head start: whatever is missing, because of a crash or since other parts were chosen, the end does.
 */
export class Assembly {
  readonly #engine: Engine;
  readonly #runs = new LRUCache<string, Run>({ max: most });

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Told of every part that came. */
  add(multipart: string, number: number, part: { readonly stage: string; readonly size: number }): void {
    const run = this.#run(multipart);
    // Sent anew: what follows on it is hashed anew, too.
    if (number <= run.parts.length)
      for (const [at, later] of run.parts.splice(number - 1).entries()) run.waiting.set(number + at, later);
    run.waiting.set(number, part);
    for (let next = run.waiting.get(run.parts.length + 1); next; next = run.waiting.get(run.parts.length + 1)) {
      run.waiting.delete(run.parts.length + 1);
      run.parts.push(next);
    }
    if (run.parts.length > 1 && !run.joining) this.#join(multipart, run).catch(() => undefined);
  }

  /** Joins no more of one that ended. */
  forget(multipart: string): void {
    this.#runs.delete(multipart);
  }

  #run(multipart: string): Run {
    const run = this.#runs.get(multipart) ?? { parts: [], waiting: new Map(), joining: false };
    this.#runs.set(multipart, run);
    return run;
  }

  async #join(multipart: string, run: Run): Promise<void> {
    run.joining = true;
    try {
      for (let joined: readonly Run['parts'][number][] = []; !same(joined, run.parts);) {
        const parts = await holdingIfFree(this.#engine.locks, multipart, undefined, () =>
          this.#joinOnce(multipart, run),
        );
        if (!parts) return;
        joined = parts;
      }
    } catch {
      // The end will meet it again, and tell.
      this.#runs.delete(multipart);
    } finally {
      run.joining = false;
    }
  }

  /** Joins the parts that are there now; undefined where there is nothing more to join. */
  async #joinOnce(multipart: string, run: Run): Promise<Run['parts'] | undefined> {
    if (this.#runs.get(multipart) !== run) return undefined;
    // From the moment that the whole has a record, only its completion says what it is made of. What ended gives up its bytes under this lock.
    const { catalog, bytes } = this.#engine;
    if ((await catalog.uploads.get(multipart)) || (await catalog.multipart.get(multipart))?.outcome !== null) {
      this.#runs.delete(multipart);
      return undefined;
    }
    const parts = [...run.parts];
    await bytes.join(multipart, parts);
    return parts;
  }
}

function same(one: readonly { readonly stage: string }[], other: readonly { readonly stage: string }[]): boolean {
  return one.length === other.length && one.every(({ stage }, at) => stage === other[at]!.stage);
}
