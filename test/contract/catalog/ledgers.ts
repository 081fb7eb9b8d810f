/** Ledgers match the records after any changes, and a quota refuses all growth beyond it. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import type { Bucket, Ledger } from '../../../src/catalog/model.ts';
import { recordsAllowed } from '../../../src/catalog/quota.ts';
import { Refusal } from '../../../src/core/refusal.ts';
import { contentOf, eventOf, type Scene } from './scene.ts';

const owner = 'alpha';
const names = ['one', 'two', 'three'];
const texts = ['', 'a', 'é'.repeat(200), 'long'.repeat(500)];
const name = fc.constantFrom(...names);
const text = fc.constantFrom(...texts);
const kinds = [
  'bucket',
  'version',
  'put',
  'upload',
  'drop',
  'retire',
  'removeVersion',
  'describe',
  'settings',
  'begin',
  'part',
  'end',
  'removeBucket',
  'note',
  'key',
  'credential',
  'release',
  'slot',
  'removeRelease',
  'customer',
  'remove',
  'sweep',
] as const;
type Kind = (typeof kinds)[number];
interface Step {
  readonly kind: Kind;
  readonly name: string;
  readonly text: string;
  readonly pick: number;
}
/** Steps that free or hide what was stored. */
const freeing: ReadonlySet<Kind> = new Set([
  'drop',
  'retire',
  'removeVersion',
  'end',
  'removeBucket',
  'removeRelease',
  'remove',
  'sweep',
]);
const step = fc.record({ kind: fc.constantFrom(...kinds), name, text, pick: fc.nat(1000) });

/** The amounts that a quota bounds separately. */
const takenOf = ({ stored, records, reserved }: Ledger): readonly number[] => [stored + reserved, records];

export function ledgerContract(scene: () => Scene): void {
  test('ledgers say what there is over any run of changes, and quotas refuse growth and no deletion', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.nat(40_000), async (steps, more) => {
        const walk = new Walk(scene(), more);
        await walk.begin();
        for (const next of steps) await walk.take(next);
        expect(await scene().catalog.usage.miscounted(false)).toEqual([]);
      }),
      { numRuns: 60, endOnFailure: true },
    );
  }, 60_000);
}

/** One run, in its own buckets. */
class Walk {
  readonly #scene: Scene;
  readonly #more: number;
  readonly #mark = randomUUID().slice(0, 8);
  readonly #uploads: string[] = [];
  readonly #multiparts: string[] = [];
  readonly #releases: string[] = [];
  readonly #customers: string[] = [];
  readonly #artifacts: string[] = [];

  constructor(scene: Scene, more: number) {
    this.#scene = scene;
    this.#more = more;
  }

  async begin(): Promise<void> {
    await this.#scene.catalog.usage.setLimits(owner, { quota: null }, eventOf('namespace', owner));
    for (const one of names) await this.#do({ kind: 'bucket', name: one, text: '', pick: 1 });
    // Below this, the quota bounds only bytes.
    if ((await this.#ledger()).records <= recordsAllowed) await this.#fill();
    const quota = Math.max(...takenOf(await this.#ledger())) + this.#more;
    await this.#scene.catalog.usage.setLimits(owner, { quota }, eventOf('namespace', owner));
  }

  /** Runs a step. The quota may refuse it unless it frees; an accepted step fits the quota. */
  async take(next: Step): Promise<void> {
    const before = takenOf(await this.#ledger());
    const refused = await this.#do(next).then(
      () => false,
      (error: unknown) => {
        if (!(error instanceof Refusal) || error.reason !== 'over_quota') throw error;
        return true;
      },
    );
    const { quota, ...ledger } = await this.#ledger();
    const after = takenOf({ quota, ...ledger });
    if (freeing.has(next.kind)) expect({ kind: next.kind, refused }).toEqual({ kind: next.kind, refused: false });
    else if (refused) expect(after).toEqual(before);
    else if (next.kind !== 'version')
      for (const [at, taken] of after.entries()) if (taken > before[at]!) expect(taken).toBeLessThanOrEqual(quota!);
  }

  async #fill(): Promise<void> {
    const id = randomUUID();
    const customer = {
      id,
      namespace: owner,
      name: 'x'.repeat(recordsAllowed),
      plan: null,
      createdAt: 1,
      suspendedAt: null,
    };
    await this.#scene.catalog.customers.create(customer, eventOf('customer', id));
  }

  async #ledger(): Promise<Ledger> {
    return (await this.#scene.catalog.usage.get(owner))!;
  }

  async #do({ kind, name: one, text: said, pick }: Step): Promise<unknown> {
    const { catalog } = this.#scene;
    const bucket = `${this.#mark}-${one}`;
    const of = <T>(list: readonly T[]): T | undefined => list[pick % Math.max(1, list.length)];
    const event = eventOf('bucket', bucket);
    const object = await catalog.buckets.object(bucket, 'k');
    switch (kind) {
      case 'bucket': {
        const versioning = (['off', 'enabled', 'suspended'] as const)[names.indexOf(one)]!;
        const made: Bucket = { name: bucket, namespace: owner, createdAt: 1, versioning, open: false, settings: {} };
        return catalog.buckets.create(made, event);
      }
      case 'version':
        return this.#artifacts.push((await this.#scene.version(owner, `${bucket}${pick % 3}`, said)).artifact.uuid);
      case 'put':
        return this.#put(bucket, said);
      case 'upload':
        return this.#uploads.push(await this.#scene.upload(owner, said.length));
      case 'drop':
        return catalog.uploads.drop(of(this.#uploads) ?? 'none', eventOf('upload', 'u'));
      case 'retire':
        return catalog.buckets.retire({
          bucket: { name: bucket },
          key: `k${pick % 2 === 0 ? '' : 'other'}`,
          conditions: {},
          fresh: { artifact: randomUUID(), version: randomUUID() },
          at: 20,
          event,
        });
      case 'removeVersion':
        return catalog.buckets.removeVersion({
          bucket: { name: bucket },
          key: 'k',
          id: object?.versionId ?? null,
          bypass: false,
          conditions: {},
          at: 20,
          event,
        });
      case 'describe':
        return object && catalog.buckets.describe(object, 'tags', pick % 3 === 0 ? null : JSON.stringify(said));
      case 'settings':
        return catalog.buckets.change({ name: bucket }, { set: { policyText: pick % 3 === 0 ? null : said } }, event);
      case 'note':
        return catalog.events.setMetadata('namespace', owner, one, pick % 3 === 0 ? undefined : said);
      case 'removeBucket':
        return catalog.buckets.remove({ name: bucket }, event);
      case 'remove':
        return catalog.artifacts.remove(of(this.#artifacts) ?? randomUUID(), 30, eventOf('artifact', 'a'));
      case 'sweep':
        await catalog.uploads.forget(1000);
        await catalog.multipart.forget(1000);
        await catalog.artifacts.forget(1000);
        return catalog.blobs.sweep(1000, 100);
      case 'key':
        return catalog.accessKeys.create(
          {
            id: randomUUID(),
            namespace: owner,
            name: said,
            sealed: 's',
            grant: { buckets: null, verbs: ['read'] },
            createdAt: 1,
            revokedAt: null,
          },
          eventOf('key', 'k'),
        );
      case 'credential':
        return pick % 3 === 0
          ? catalog.namespaces.dropCredential(owner, said, eventOf('namespace', owner))
          : catalog.namespaces.putCredential(
              { namespace: owner, name: said, verifier: 'v', nonce: 'n', createdAt: 1 },
              eventOf('namespace', owner),
            );
      default:
        return this.#doMore({ kind, name: one, text: said, pick }, bucket, of);
    }
  }

  async #doMore(
    { kind, name: one, text: said, pick }: Step,
    bucket: string,
    of: <T>(list: readonly T[]) => T | undefined,
  ): Promise<unknown> {
    const { catalog } = this.#scene;
    const id = randomUUID();
    switch (kind) {
      case 'begin':
        await catalog.multipart.begin({
          id,
          bucket,
          key: said,
          namespace: owner,
          about: said,
          createdAt: 1,
          touchedAt: 1,
          outcome: null,
        });
        return this.#multiparts.push(id);
      case 'part': {
        const part = { number: (pick % 3) + 1, size: 1, etag: said, about: said, at: 2 };
        return catalog.multipart.put(of(this.#multiparts) ?? id, { ...part, upload: id });
      }
      case 'end':
        return catalog.multipart.end(of(this.#multiparts) ?? id, pick % 2 === 0 ? null : said, 3);
      case 'release':
        await catalog.releases.create(
          {
            id,
            namespace: owner,
            product: one,
            version: `${id}${said}`,
            status: 'draft',
            createdAt: 1,
            publishedAt: null,
          },
          eventOf('release', id),
        );
        return this.#releases.push(id);
      case 'slot':
        // A slot in another owner's bucket is refused.
        if (!(await catalog.buckets.get(bucket))) return undefined;
        return catalog.releases.open({
          id,
          release: of(this.#releases) ?? id,
          bucket,
          key: said,
          platform: one,
          fileName: said,
          outside: false,
          createdAt: 1,
          expiresAt: 9,
        });
      case 'removeRelease':
        return catalog.releases.remove(of(this.#releases) ?? id, 9, eventOf('release', id));
      default: {
        const customer = { id, namespace: owner, name: said, plan: one, createdAt: 1, suspendedAt: null };
        const known = of(this.#customers);
        if (known === undefined || pick % 3 === 0) {
          await catalog.customers.create(customer, eventOf('customer', id));
          return this.#customers.push(id);
        }
        if (pick % 3 === 1) return catalog.customers.change(known, { name: said }, eventOf('customer', known));
        const wish = { id, customer: known, product: one, startsAt: 1, endsAt: null, metadata: said };
        return catalog.customers.entitle(wish, eventOf('customer', known));
      }
    }
  }

  async #put(bucket: string, said: string): Promise<unknown> {
    const { catalog } = this.#scene;
    const content = contentOf(said);
    const source = { kind: 'content', content, mediaType: 'text/plain' } as const;
    const publication = this.#scene.publication(owner, `${bucket}/k`, source, { sourceUrl: `s3://${bucket}/k` });
    const object = {
      bucket: { name: bucket },
      key: 'k',
      versionId: randomUUID(),
      etag: 'e',
      about: JSON.stringify({ said }),
      lock: { retention: null, held: null },
      conditions: {},
    };
    return catalog.artifacts.publish({ ...publication, object });
  }
}
