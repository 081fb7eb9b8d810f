/** Which ways of opening a bucket to the public are blocked. Every face that lets the public in asks here. */
import type { Bucket } from '../../catalog/model.ts';

/** S3's four switches. The `Block` ones refuse what would open a bucket; the others are asked at each request. */
export interface PublicAccess {
  readonly BlockPublicAcls: boolean;
  readonly IgnorePublicAcls: boolean;
  readonly BlockPublicPolicy: boolean;
  readonly RestrictPublicBuckets: boolean;
}

/** The block as it was set on a bucket; undefined where none was. */
export function publicAccessBlock({ settings }: Pick<Bucket, 'settings'>): PublicAccess | undefined {
  const text = settings['publicAccess'];
  if (text === undefined) return undefined;
  let kept: Partial<PublicAccess> = {};
  try {
    kept = (JSON.parse(text) ?? {}) as Partial<PublicAccess>;
  } catch {
    // A block that cannot be read blocks everything.
  }
  const blocks = (name: keyof PublicAccess): boolean => kept[name] !== false;
  return {
    BlockPublicAcls: blocks('BlockPublicAcls'),
    IgnorePublicAcls: blocks('IgnorePublicAcls'),
    BlockPublicPolicy: blocks('BlockPublicPolicy'),
    RestrictPublicBuckets: blocks('RestrictPublicBuckets'),
  };
}

const nothingBlocked: PublicAccess = {
  BlockPublicAcls: false,
  IgnorePublicAcls: false,
  BlockPublicPolicy: false,
  RestrictPublicBuckets: false,
};

/** What is blocked in a bucket. */
export function publicAccessOf(bucket: Pick<Bucket, 'settings'>): PublicAccess {
  return publicAccessBlock(bucket) ?? nothingBlocked;
}

/** Whether a bucket's `public` flag lets anybody read its objects: it counts as a public ACL and as a public policy. */
export function isPublic(bucket: Pick<Bucket, 'settings' | 'open'>): boolean {
  const { IgnorePublicAcls, RestrictPublicBuckets } = publicAccessOf(bucket);
  return bucket.open && !IgnorePublicAcls && !RestrictPublicBuckets;
}

/** Whether the `public` flag may be set on a bucket. */
export function mayBeMadePublic(bucket: Pick<Bucket, 'settings'>): boolean {
  const { BlockPublicAcls, BlockPublicPolicy } = publicAccessOf(bucket);
  return !BlockPublicAcls && !BlockPublicPolicy;
}
