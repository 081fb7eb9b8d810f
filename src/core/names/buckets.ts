import type { Clock } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import { demandGrant, grants, isSystem, mayInBucket, owns, type BucketAction } from '../tenants/access.ts';
import type { BucketChange, Catalog, Engine, Page, Usage } from '../engine.ts';
import { eventBy } from '../tenants/events.ts';
import type { Bucket, BucketId, Event, Principal } from '../../catalog/model.ts';
import { Refusal } from '../refusal.ts';
import { mayBeMadePublic } from './public-access.ts';
import { unpublished } from '../bytes/sealer.ts';
import { dropStages } from '../bytes/stages.ts';

/** Containers of objects. */
export class Buckets {
  readonly #engine: Engine;
  readonly #catalog: Catalog;
  readonly #clock: Clock;

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine;
    this.#catalog = engine.catalog;
    this.#clock = clock;
  }

  /**
   * Makes a bucket of the caller's namespace.
   *
   * @throws Refusal `malformed` for a name that cannot be one, `conflict` for one that is taken, `forbidden`.
   */
  async create(
    who: Principal,
    name: string,
    { settings = {}, versioning = 'off' }: Partial<Pick<Bucket, 'settings' | 'versioning'>> = {},
  ): Promise<Bucket> {
    if (!isBucketName(name))
      throw new Refusal(
        'malformed',
        'a bucket name has 3 to 63 lower-case letters, digits, dots and hyphens, and starts and ends with a letter or digit',
        { what: 'bucket' },
      );
    if (who.namespace === '' || !grants(who, 'admin', name)) throw new Refusal('forbidden', 'permission denied');
    const bucket: Bucket = {
      name,
      namespace: who.namespace,
      createdAt: this.#clock.now(),
      versioning,
      open: false,
      settings,
      generation: newId(),
    };
    if (await this.#catalog.buckets.create(bucket, this.#event(name, 'bucket created', who))) return bucket;
    const taken = await this.#catalog.buckets.get(name);
    throw new Refusal('conflict', 'the bucket exists', { owned: taken?.namespace === who.namespace ? 'yes' : 'no' });
  }

  /**
   * The bucket, for a caller who may do that with it. Whoever acts for the owner of a bucket finds that bucket and not the next one of
   * its name.
   *
   * @throws Refusal `not_found`, `forbidden`
   */
  async get(who: Principal, name: string, action: BucketAction): Promise<Bucket> {
    const bucket = await this.#catalog.buckets.get(name);
    const { within } = who;
    if (!bucket || (within?.name === name && within.generation !== bucket.generation)) throw unpublished('no_bucket');
    if (!mayInBucket(who, action, bucket))
      throw new Refusal('forbidden', 'permission denied', owns(who, bucket.namespace) ? { own: 'yes' } : {});
    return bucket;
  }

  /** The bucket as it is, for a face that has rights of its own to ask; undefined where there is none. */
  peek(name: string): Promise<Bucket | undefined> {
    return this.#catalog.buckets.get(name);
  }

  /** Those that the caller may list; of its own namespace, and of all for the system. */
  async list(who: Principal, page: Page): Promise<{ buckets: Bucket[]; next: string | null }> {
    const found = await this.#catalog.buckets.list(isSystem(who) ? null : who.namespace, page);
    return {
      buckets: found.filter((bucket) => mayInBucket(who, 'list', bucket)),
      next: found.length < page.limit ? null : found.at(-1)!.name,
    };
  }

  async change(who: Principal, name: string, change: BucketChange): Promise<Bucket> {
    const bucket = await this.get(who, name, 'admin');
    if (change.open && !bucket.open && !mayBeMadePublic(bucket)) {
      throw new Refusal('forbidden', 'the public access block of this bucket forbids public access', { own: 'yes' });
    }
    // The catalog changes it only if the block is still the one that was asked here.
    const given = change.open
      ? { given: { ...change.given, publicAccess: bucket.settings['publicAccess'] ?? null } }
      : {};
    const changed = await this.#catalog.buckets.change(
      idOf(bucket),
      { ...change, ...given },
      this.#event(name, `changed: ${namesOf(change).join(', ')}`, who),
    );
    if (!changed) throw unpublished('no_bucket');
    return changed;
  }

  /** What is in a bucket, or in all buckets of the caller's namespace. */
  async usage(who: Principal, name?: string): Promise<Usage> {
    if (name === undefined) demandGrant(who, 'list');
    else await this.get(who, name, 'list');
    return this.#catalog.buckets.usage(name === undefined ? { namespace: who.namespace } : { bucket: name });
  }

  /**
   * With the bucket go parts of what was never put together in it.
   *
   * @throws Refusal `conflict` while there is any object in it.
   */
  async remove(who: Principal, name: string): Promise<void> {
    const bucket = await this.get(who, name, 'admin');
    const removed = await this.#catalog.buckets.remove(idOf(bucket), this.#event(name, 'bucket deleted', who));
    if (removed === 'none') throw unpublished('no_bucket');
    if (removed === 'occupied') throw new Refusal('conflict', 'the bucket is not empty', { occupied: 'yes' });
    await dropStages(this.#engine, removed);
  }

  #event(name: string, message: string, who: Principal): Event {
    return eventBy(who, this.#clock.now(), { subject: 'bucket', id: name, message });
  }
}

/** What names a bucket to the catalog, so that a change is of that one. */
export function idOf({ name, generation }: Bucket): BucketId {
  return { name, generation };
}

/** What a change changes, as the journal tells it. */
function namesOf({ set = {}, given: _, ...others }: BucketChange): string[] {
  return [...Object.keys(others), ...Object.keys(set)];
}

/** The rules of S3: DNS labels with dots between, and nothing that looks like an address. */
export function isBucketName(name: string): boolean {
  const labels = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
  return (
    name.length >= 3 &&
    name.length <= 63 &&
    labels.test(name) &&
    !/^\d+\.\d+\.\d+\.\d+$/.test(name) &&
    !name.startsWith('xn--') &&
    !name.endsWith('-s3alias')
  );
}
