import fc from 'fast-check';
import type { Catalog } from '../../src/core/engine.ts';
import type { Upload } from '../../src/catalog/model.ts';
import { catalogOf } from '../../src/engines/embedded/sqlite/protocol.ts';
import { cached } from '../../src/engines/embedded/sqlite/cache.ts';

const move = { from: 0, to: 1, lastStart: null, length: null, at: 0 };

/** The cache in front of a catalog that answers in any order. */
class SlowCatalog {
  offset = 0;
  keyed = 0;
  opened = 0;
  /** Where the upload was left by each drop. */
  readonly dropped: number[] = [];
  asked = 0;
  readonly #todo: (() => void)[] = [];
  readonly #answers: (() => void)[] = [];

  readonly catalog: Catalog;

  constructor() {
    const facts: Record<string, Record<string, (...args: never[]) => Promise<unknown>>> = {
      uploads: {
        get: () => this.#ask(() => uploadAt(this.offset)),
        // Offsets only grow here, so that what is smaller is older.
        advance: () => this.#ask(() => uploadAt((this.offset += 1))),
        drop: () => this.#ask(() => this.dropped.push((this.offset += 1)) > 0),
        answered: () => this.#ask(() => undefined),
      },
      namespaces: {
        credential: () => this.#ask(() => ({ nonce: String(this.keyed) })),
        putCredential: () => this.#ask(() => (this.keyed += 1)),
        remove: () => this.#ask(() => (this.opened += 1)),
      },
      buckets: {
        get: () => this.#ask(() => ({ createdAt: this.opened })),
        change: () => this.#ask(() => (this.opened += 1)),
      },
    };
    this.catalog = cached(
      catalogOf((fact) => {
        const [noun, method] = fact.split('.') as [string, string];
        return facts[noun]?.[method] as (...args: unknown[]) => Promise<unknown>;
      }),
    );
  }

  #ask<T>(act: () => T): Promise<T> {
    this.asked += 1;
    return new Promise((resolve) => {
      this.#todo.push(() => {
        const value = act();
        this.#answers.push(() => resolve(value));
      });
    });
  }

  /** Does one of the things asked, whichever is picked. */
  act(pick: number): void {
    this.#todo.splice(pick % (this.#todo.length || 1), 1)[0]?.();
  }

  /** Gives the oldest answer: they come in the order in which things were done. */
  async answer(): Promise<void> {
    this.#answers.shift()?.();
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  }

  get idle(): boolean {
    return this.#todo.length === 0 && this.#answers.length === 0;
  }
}

function uploadAt(offset: number): Upload {
  return { id: 'u', offset } as Upload;
}

type Step =
  'look' | 'advance' | 'drop' | 'answered' | 'key' | 'put' | 'bucket' | 'change' | 'remove' | 'act' | 'answer';
/** What is asked gets done and answered about as fast as it is asked. */
const step = fc.record({
  kind: fc.oneof(
    fc.constantFrom<Step>(
      'look',
      'look',
      'advance',
      'drop',
      'answered',
      'key',
      'put',
      'bucket',
      'bucket',
      'change',
      'remove',
    ),
    fc.constant<Step>('act'),
    fc.constant<Step>('answer'),
  ),
  pick: fc.nat(3),
});

describe('remembering', () => {
  test('a look that begins after a change ended sees it, whatever is under way', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
        const slow = new SlowCatalog();
        const { uploads, namespaces, buckets } = slow.catalog;
        let clock = 0;
        /** What changes ended with, and when they began and ended. */
        const changes = {
          upload: [] as { value: number; ended: number }[],
          key: [] as { value: number; ended: number }[],
          bucket: [] as { value: number; ended: number }[],
        };
        const faults: string[] = [];
        /** A value seen is wrong when a later change, by the keeper's own order, had ended before the look began. */
        const judge = (kind: 'upload' | 'key' | 'bucket', began: number, seen: number): void => {
          const over = changes[kind].filter(({ ended }) => ended < began).map(({ value }) => value);
          if (over.some((value) => value > seen)) faults.push(`${kind} ${seen} seen after ${Math.max(...over)}`);
        };
        for (const { kind, pick } of steps) {
          const began = ++clock;
          if (kind === 'look') void uploads.get('u').then((upload) => judge('upload', began, upload!.offset));
          if (kind === 'key')
            void namespaces.credential('n', 'k').then((key) => judge('key', began, Number(key!.nonce)));
          if (kind === 'advance')
            void uploads
              .advance('u', move)
              .then((upload) => changes.upload.push({ value: upload!.offset, ended: ++clock }));
          if (kind === 'drop')
            void uploads
              .drop('u', {} as never)
              .then(() => changes.upload.push({ value: slow.dropped.shift()!, ended: ++clock }));
          if (kind === 'answered') void uploads.answered([['u', 0]]);
          if (kind === 'put')
            void namespaces
              .putCredential({} as never, {} as never)
              .then((value) => changes.key.push({ value: Number(value), ended: ++clock }));
          if (kind === 'bucket') void buckets.get('b').then((bucket) => judge('bucket', began, bucket!.createdAt));
          if (kind === 'change')
            void buckets
              .change({ name: 'b' }, {}, {} as never)
              .then((value) => changes.bucket.push({ value: Number(value), ended: ++clock }));
          if (kind === 'remove')
            void namespaces
              .remove('n', {} as never)
              .then((value) => changes.bucket.push({ value: Number(value), ended: ++clock }));
          if (kind === 'act') slow.act(pick);
          if (kind === 'answer') await slow.answer();
        }
        while (!slow.idle) {
          slow.act(0);
          await slow.answer();
        }
        expect(faults).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });

  test('what an append asks is asked once', async () => {
    const slow = new SlowCatalog();
    const { uploads, namespaces } = slow.catalog;
    const settled = async <T>(promise: Promise<T>): Promise<T> => {
      while (!slow.idle) {
        slow.act(0);
        await slow.answer();
      }
      return promise;
    };
    await settled(uploads.advance('u', move));
    await settled(namespaces.credential('n', 'k'));
    expect(slow.asked).toBe(2);
    expect(await settled(uploads.get('u'))).toEqual(uploadAt(1));
    expect(await settled(namespaces.credential('n', 'k'))).toEqual({ nonce: '0' });
    expect(slow.asked).toBe(2);
    await settled(uploads.drop('u', {} as never));
    expect(await settled(uploads.get('u'))).toEqual(uploadAt(2));
  });
});
