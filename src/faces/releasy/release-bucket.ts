import type { Core } from '../../core/index.ts';
import type { Bucket, Principal } from '../../core/records.ts';
import { Refusal } from '../../core/refusal.ts';
import type { CorsRule } from '../../http/bucket-cors.ts';

/** Pages of any origin may use the URLs that they are given: those alone say what may be done. */
const pages: readonly CorsRule[] = [
  { origins: ['*'], methods: ['GET', 'HEAD', 'PUT'], headers: ['*'], exposed: ['ETag'] },
];

export interface ReleaseBucketOptions {
  readonly namespace: string;
  /** Null where artifacts are kept nowhere. */
  readonly bucket: string | null;
}

/** Where this face keeps what is its own. What is missing of it is made when it is needed. */
export class ReleaseBucket {
  /** The face itself, as the core knows it: whoever may do what is settled before. */
  readonly who: Principal;
  readonly #core: Pick<Core, 'namespaces' | 'buckets'>;
  readonly #bucket: string | null;

  constructor(core: Pick<Core, 'namespaces' | 'buckets'>, { namespace, bucket }: ReleaseBucketOptions) {
    this.who = { namespace, credential: 'releasy' };
    this.#core = core;
    this.#bucket = bucket;
  }

  /** @throws Refusal `unavailable` where there is none, or one of that name is somebody else's. */
  async bucket(): Promise<Bucket> {
    const name = this.#bucket;
    if (name === null) throw unconfigured();
    const found = (await this.#core.buckets.peek(name)) ?? (await this.#make(name));
    if (found?.namespace !== this.who.namespace) throw unconfigured();
    return found;
  }

  /** Makes sure of the namespace. */
  open(): Promise<void> {
    return this.#core.namespaces.ensure(this.who.namespace);
  }

  async #make(name: string): Promise<Bucket | undefined> {
    await this.open();
    try {
      // Whoever puts an artifact there, it is the bucket's owner who releases it.
      return await this.#core.buckets.create(this.who, name, {
        settings: { ownership: 'BucketOwnerEnforced', digests: 'sha256 md5', cors: JSON.stringify(pages) },
      });
    } catch (error) {
      // Somebody may have been faster; a name that no bucket can have is a fault of the configuration.
      if (error instanceof Refusal && error.reason === 'conflict') return this.#core.buckets.peek(name);
      throw error instanceof Refusal && error.reason === 'malformed' ? unconfigured(error) : error;
    }
  }
}

function unconfigured(cause?: unknown): Refusal {
  return new Refusal('unavailable', 'artifact storage not configured', {}, cause);
}
