import type { Core } from '../../core/index.ts';
import type { Bucket, Principal } from '../../core/records.ts';
import { Refusal } from '../../core/refusal.ts';
import type { CorsRule } from '../../http/bucket-cors.ts';

/** Pages of any origin may use signed URLs: the signature alone grants the right. */
const pages: readonly CorsRule[] = [
  { origins: ['*'], methods: ['GET', 'HEAD', 'PUT'], headers: ['*'], exposed: ['ETag'] },
];

export interface ReleaseBucketOptions {
  readonly namespace: string;
  /** Null if artifacts are not stored. */
  readonly bucket: string | null;
}

/** The namespace and bucket of this face, created when first needed. */
export class ReleaseBucket {
  /** The principal for operations of the face itself; the routes have checked the caller. */
  readonly who: Principal;
  readonly #core: Pick<Core, 'namespaces' | 'buckets'>;
  readonly #bucket: string | null;

  constructor(core: Pick<Core, 'namespaces' | 'buckets'>, { namespace, bucket }: ReleaseBucketOptions) {
    this.who = { namespace, credential: 'releasy' };
    this.#core = core;
    this.#bucket = bucket;
  }

  /** @throws Refusal `unavailable` if none is configured, or another namespace has a bucket of that name */
  async bucket(): Promise<Bucket> {
    const name = this.#bucket;
    if (name === null) throw unconfigured();
    const found = (await this.#core.buckets.peek(name)) ?? (await this.#make(name));
    if (found?.namespace !== this.who.namespace) throw unconfigured();
    return found;
  }

  /** Creates the namespace if it is missing. */
  open(): Promise<void> {
    return this.#core.namespaces.ensure(this.who.namespace);
  }

  async #make(name: string): Promise<Bucket | undefined> {
    await this.open();
    try {
      // The bucket owner owns all objects, whoever uploaded them.
      return await this.#core.buckets.create(this.who, name, {
        digests: ['sha256', 'md5'],
        settings: { ownership: 'BucketOwnerEnforced', cors: JSON.stringify(pages) },
      });
    } catch (error) {
      // On a conflict another request created it. An invalid name is a configuration error.
      if (error instanceof Refusal && (error.reason === 'bucket_owned' || error.reason === 'bucket_taken'))
        return this.#core.buckets.peek(name);
      throw error instanceof Refusal && error.reason === 'bad_bucket_name' ? unconfigured(error) : error;
    }
  }
}

function unconfigured(cause?: unknown): Refusal {
  return new Refusal('unavailable', 'artifact storage not configured', {}, cause);
}
