/** Authorizes a new object and collects its metadata. */
import { identityOf } from '../../core/tenants/identities.ts';
import type { Bucket, VersionLock } from '../../core/records.ts';
import { aboutFrom, type About } from './about.ts';
import { aclFromHeaders, type Acl } from './acl.ts';
import { headerOf, type S3Call } from './call.ts';
import { S3Error } from './errors.ts';
import { lockFrom } from './lock.ts';
import { allow, demandEach, ownershipOf, type Action, type AllowedTo } from './rights.ts';
import { demandPrivate } from './settings.ts';
import { tagsOf, type Tags } from './tags.ts';

export interface NewObject {
  readonly allowed: AllowedTo<'PutObject'>;
  readonly about: Omit<About, 'checksums'>;
  readonly lock: VersionLock;
}

/** @param tags if they are not in a header */
export async function newObject(
  call: S3Call,
  tags: Tags | undefined = tagsOf(call),
  header = (name: string): string | undefined => headerOf(call, name),
): Promise<NewObject> {
  const allowed = await allow(call, 'PutObject', { tags });
  const { bucket } = allowed;
  const owner = ownerIn(bucket, call, header('x-amz-acl'));
  const acl = await aclOf(call, bucket, owner, header);
  const lock = lockFrom(call, bucket);
  demandEach(call, partsOfPut(call, { tags, acl }), bucket, { tags });
  const about = {
    ...aboutFrom(call),
    ...(owner === bucket.namespace ? {} : { owner }),
    ...(acl ? { acl } : {}),
    ...(tags ? { tags } : {}),
  };
  return { allowed, about, lock };
}

/** The additional actions of a PUT, by what it contains. */
function partsOfPut(call: S3Call, { tags, acl }: { tags: Tags | undefined; acl: Acl | undefined }): readonly Action[] {
  const parts: [Action, unknown][] = [
    ['PutObjectTagging', tags],
    ['PutObjectAcl', acl],
    ['PutObjectRetention', headerOf(call, 'x-amz-object-lock-mode')],
    ['PutObjectLegalHold', headerOf(call, 'x-amz-object-lock-legal-hold')],
  ];
  return parts.flatMap(([action, brought]) => (brought === undefined ? [] : [action]));
}

/** The owner of an object put into another namespace's bucket. */
function ownerIn(bucket: Bucket, { who }: S3Call, canned: string | undefined): string {
  const ownership = ownershipOf(bucket);
  const given = ownership === 'BucketOwnerPreferred' && canned === 'bucket-owner-full-control';
  const isOwners = ownership === 'BucketOwnerEnforced' || given;
  return isOwners || who.namespace === '' || who.namespace === bucket.namespace ? bucket.namespace : identityOf(who);
}

async function aclOf(
  { core }: S3Call,
  bucket: Bucket,
  owner: string,
  header: (name: string) => string | undefined,
): Promise<Acl | undefined> {
  const acl = await aclFromHeaders(core, header, owner, bucket.namespace);
  if (!acl) return undefined;
  if (ownershipOf(bucket) === 'BucketOwnerEnforced') {
    if (header('x-amz-acl') !== 'bucket-owner-full-control')
      throw new S3Error('AccessControlListNotSupported', 'The bucket does not allow ACLs');
    return undefined;
  }
  demandPrivate(bucket, acl);
  return acl;
}
