import type { Clock } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import {
  allowIn,
  demandGrant,
  grants,
  isSystem,
  mayInBucket,
  type Allowed,
  type BucketAction,
} from '../tenants/access.ts';
import type { BucketChange, Catalog, Engine, Page, Usage } from '../engine.ts';
import { eventBy } from '../tenants/events.ts';
import type { Bucket, BucketId, Event, Principal } from '../../catalog/model.ts';
import { noBucket } from '../../catalog/bucket-records.ts';
import { Refusal } from '../refusal.ts';
import { mayBeMadePublic } from './public-access.ts';
import { dropStages } from '../bytes/stages.ts';

/** Buckets: containers of objects. */
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
   * Creates a bucket in the caller's namespace.
   *
   * @throws Refusal `bad_bucket_name`, `bucket_owned` or `bucket_taken`, `forbidden`
   */
  async create(
    who: Principal,
    name: string,
    {
      settings = {},
      versioning = 'off',
      lock,
      digests,
    }: Partial<Pick<Bucket, 'settings' | 'versioning' | 'lock' | 'digests'>> = {},
  ): Promise<Bucket> {
    if (!isBucketName(name))
      throw new Refusal(
        'bad_bucket_name',
        'a bucket name has 3 to 63 lower-case letters, digits, dots and hyphens, and starts and ends with a letter or digit',
      );
    if (who.namespace === '' || !grants(who, 'admin', name)) throw new Refusal('forbidden', 'permission denied');
    const bucket: Bucket = {
      name,
      namespace: who.namespace,
      createdAt: this.#clock.now(),
      versioning,
      open: false,
      lock,
      digests,
      settings,
      generation: newId(),
    };
    if (await this.#catalog.buckets.create(bucket, this.#event(name, 'bucket created', who))) return bucket;
    const taken = await this.#catalog.buckets.get(name);
    throw new Refusal(taken?.namespace === who.namespace ? 'bucket_owned' : 'bucket_taken', 'the bucket exists');
  }

  /**
   * The right to perform `action` in the bucket.
   *
   * @throws Refusal `no_bucket`, `foreign_bucket`, `forbidden`
   */
  async allow<Action extends BucketAction>(who: Principal, name: string, action: Action): Promise<Allowed<Action>> {
    const bucket = await this.#catalog.buckets.get(name);
    if (!bucket) throw noBucket();
    return allowIn(who, action, bucket);
  }

  /** The bucket without authorization, for faces that authorize themselves; undefined if there is none. */
  peek(name: string): Promise<Bucket | undefined> {
    return this.#catalog.buckets.get(name);
  }

  /** Buckets that the caller may list: of its namespace, or all for the system. */
  async list(who: Principal, page: Page): Promise<{ buckets: Bucket[]; next: string | null }> {
    const found = await this.#catalog.buckets.list(isSystem(who) ? null : who.namespace, page);
    return {
      buckets: found.filter((bucket) => mayInBucket(who, 'list', bucket)),
      next: found.length < page.limit ? null : found.at(-1)!.name,
    };
  }

  async change({ bucket, as }: Allowed<'admin'>, change: BucketChange): Promise<Bucket> {
    if (change.open && !bucket.open && !mayBeMadePublic(bucket))
      throw new Refusal('forbidden', 'the public access block of this bucket forbids public access');
    // Makes the change conditional on the public access block that was checked here.
    const given = change.open ? { given: { ...change.given, publicAccess: bucket.publicAccess ?? null } } : {};
    const event = this.#event(bucket.name, `changed: ${namesOf(change).join(', ')}`, as);
    const changed = await this.#catalog.buckets.change(idOf(bucket), { ...change, ...given }, event);
    if (!changed) throw noBucket();
    return changed;
  }

  /** Totals of a bucket. */
  usage({ bucket }: Allowed<'list'>): Promise<Usage> {
    return this.#catalog.buckets.usage({ bucket: bucket.name });
  }

  /** Totals of all buckets of the caller's namespace. */
  async totalUsage(who: Principal): Promise<Usage> {
    demandGrant(who, 'list');
    return this.#catalog.buckets.usage({ namespace: who.namespace });
  }

  /**
   * Removes a bucket and its open multipart uploads.
   *
   * @throws Refusal `bucket_occupied` if it contains objects
   */
  async remove({ bucket, as }: Allowed<'admin'>): Promise<void> {
    const removed = await this.#catalog.buckets.remove(idOf(bucket), this.#event(bucket.name, 'bucket deleted', as));
    if (removed === 'none') throw noBucket();
    if (removed === 'occupied') throw new Refusal('bucket_occupied', 'the bucket is not empty');
    await dropStages(this.#engine, removed);
  }

  #event(name: string, message: string, who: Principal): Event {
    return eventBy(who, this.#clock.now(), { subject: 'bucket', id: name, message });
  }
}

/** Identifies a bucket for a change. */
export function idOf({ name, generation }: Bucket): BucketId {
  return { name, generation };
}

/** The changed properties, for the event. */
function namesOf({ set = {}, given: _, ...others }: BucketChange): string[] {
  return [...Object.keys(others), ...Object.keys(set)];
}

/** S3's rules: dot-separated DNS labels, not an IP address. */
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
