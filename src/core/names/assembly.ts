import { LRUCache } from 'lru-cache';
import type { Engine } from '../engine.ts';
import { holdingIfFree } from '../bytes/upload-locks.ts';

/** Multipart uploads tracked; others are joined at completion. */
const most = 1000;

interface Run {
  /** Uploads of parts 1, 2, ... without a gap. */
  readonly parts: { readonly stage: string; readonly size: number }[];
  readonly waiting: Map<number, { readonly stage: string; readonly size: number }>;
  joining: boolean;
}

/**
 * Joins the leading parts of a multipart upload while others arrive, so that most is hashed at completion. This is only
 * an optimization: completion does whatever is missing.
 */
export class Assembly {
  readonly #engine: Engine;
  readonly #runs = new LRUCache<string, Run>({ max: most });

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Records a part that arrived. */
  add(multipart: string, number: number, part: { readonly stage: string; readonly size: number }): void {
    const run = this.#run(multipart);
    // A replaced part: the parts after it must be joined again.
    if (number <= run.parts.length)
      for (const [at, later] of run.parts.splice(number - 1).entries()) run.waiting.set(number + at, later);
    run.waiting.set(number, part);
    for (let next = run.waiting.get(run.parts.length + 1); next; next = run.waiting.get(run.parts.length + 1)) {
      run.waiting.delete(run.parts.length + 1);
      run.parts.push(next);
    }
    if (run.parts.length > 1 && !run.joining) this.#join(multipart, run).catch(() => undefined);
  }

  /** Stops joining an upload that ended. */
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
      // Completion will fail with the same error and report it.
      this.#runs.delete(multipart);
    } finally {
      run.joining = false;
    }
  }

  /** Joins the current parts; undefined if the upload ended. */
  async #joinOnce(multipart: string, run: Run): Promise<Run['parts'] | undefined> {
    if (this.#runs.get(multipart) !== run) return undefined;
    // Once the joined upload exists in the catalog, only `complete` may change its parts; the lock excludes a drop.
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
