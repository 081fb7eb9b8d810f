/** Which ways of opening a bucket to the public are blocked. Every face that lets the public in asks here. */
import type { Bucket, PublicAccess } from '../../catalog/model.ts';

const nothingBlocked: PublicAccess = {
  BlockPublicAcls: false,
  IgnorePublicAcls: false,
  BlockPublicPolicy: false,
  RestrictPublicBuckets: false,
};

/** What is blocked in a bucket. */
export function publicAccessOf({ publicAccess = nothingBlocked }: Pick<Bucket, 'publicAccess'>): PublicAccess {
  return publicAccess;
}

/** Whether a bucket's `public` flag lets anybody read its objects: it counts as a public ACL and as a public policy. */
export function isPublic(bucket: Pick<Bucket, 'publicAccess' | 'open'>): boolean {
  const { IgnorePublicAcls, RestrictPublicBuckets } = publicAccessOf(bucket);
  return bucket.open && !IgnorePublicAcls && !RestrictPublicBuckets;
}

/** Whether the `public` flag may be set on a bucket. */
export function mayBeMadePublic(bucket: Pick<Bucket, 'publicAccess'>): boolean {
  const { BlockPublicAcls, BlockPublicPolicy } = publicAccessOf(bucket);
  return !BlockPublicAcls && !BlockPublicPolicy;
}
