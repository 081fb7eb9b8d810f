/** Public access blocks of buckets, for every face that serves anonymous callers. */
import type { Bucket, PublicAccess } from '../../catalog/model.ts';

const nothingBlocked: PublicAccess = {
  BlockPublicAcls: false,
  IgnorePublicAcls: false,
  BlockPublicPolicy: false,
  RestrictPublicBuckets: false,
};

/** The effective block of a bucket. */
export function publicAccessOf({ publicAccess = nothingBlocked }: Pick<Bucket, 'publicAccess'>): PublicAccess {
  return publicAccess;
}

/** Whether the `public` flag gives anonymous read access; it counts as both a public ACL and a public policy. */
export function isPublic(bucket: Pick<Bucket, 'publicAccess' | 'open'>): boolean {
  const { IgnorePublicAcls, RestrictPublicBuckets } = publicAccessOf(bucket);
  return bucket.open && !IgnorePublicAcls && !RestrictPublicBuckets;
}

/** Whether the `public` flag may be set. */
export function mayBeMadePublic(bucket: Pick<Bucket, 'publicAccess'>): boolean {
  const { BlockPublicAcls, BlockPublicPolicy } = publicAccessOf(bucket);
  return !BlockPublicAcls && !BlockPublicPolicy;
}
