/** What can be asked, by method, place and sub-resource. What is not here is refused, and never taken for something else. */
import * as buckets from './buckets.ts';
import type { Call } from './call.ts';
import { S3Error } from './errors.ts';
import { listObjects, listVersions } from './listing.ts';
import * as multipart from './multipart.ts';
import { getAttributes } from './attributes.ts';
import * as lock from './lock.ts';
import * as objects from './objects.ts';
import { postObject } from './post.ts';
import * as settings from './settings.ts';
import * as tags from './tags.ts';

export interface Operation {
  /** As S3 calls it. */
  readonly name: string;
  readonly run: (call: Call) => Promise<void>;
}

/** Parameters that make another operation of a request. */
const subresources = [
  'accelerate', 'acl', 'analytics', 'attributes', 'cors', 'delete', 'encryption', 'intelligent-tiering', 'inventory', 'legal-hold', 'lifecycle', 'location',
  'logging', 'metadataTable', 'metrics', 'notification', 'object-lock', 'ownershipControls', 'policy', 'policyStatus', 'publicAccessBlock', 'renameObject',
  'replication', 'requestPayment', 'restore', 'retention', 'select', 'session', 'tagging', 'torrent', 'uploadId', 'uploads', 'versioning', 'versions', 'website',
];

const table: Readonly<Record<string, readonly [name: string, run: (call: Call) => Promise<void>]>> = {
  'GET service': ['ListBuckets', buckets.listBuckets],
  'PUT bucket': ['CreateBucket', buckets.createBucket],
  'HEAD bucket': ['HeadBucket', buckets.headBucket],
  'DELETE bucket': ['DeleteBucket', buckets.deleteBucket],
  'GET bucket': ['ListObjects', listObjects],
  'GET bucket versions': ['ListObjectVersions', listVersions],
  'GET bucket uploads': ['ListMultipartUploads', multipart.listMultiparts],
  'POST bucket': ['PostObject', postObject],
  'POST bucket delete': ['DeleteObjects', objects.deleteObjects],
  'GET bucket location': ['GetBucketLocation', buckets.getLocation],
  'GET bucket versioning': ['GetBucketVersioning', buckets.getVersioning],
  'PUT bucket versioning': ['PutBucketVersioning', buckets.putVersioning],
  'GET bucket cors': ['GetBucketCors', buckets.getCors],
  'PUT bucket cors': ['PutBucketCors', buckets.putCors],
  'DELETE bucket cors': ['DeleteBucketCors', settings.deleteSetting('PutBucketCORS', 'cors')],
  'GET bucket acl': ['GetBucketAcl', settings.getBucketAcl],
  'PUT bucket acl': ['PutBucketAcl', settings.putBucketAcl],
  'GET bucket policy': ['GetBucketPolicy', settings.getPolicy],
  'PUT bucket policy': ['PutBucketPolicy', settings.putPolicy],
  'DELETE bucket policy': ['DeleteBucketPolicy', settings.deletePolicy],
  'GET bucket policyStatus': ['GetBucketPolicyStatus', settings.getPolicyStatus],
  'GET bucket tagging': ['GetBucketTagging', tags.getBucketTagging],
  'PUT bucket tagging': ['PutBucketTagging', tags.putBucketTagging],
  'DELETE bucket tagging': ['DeleteBucketTagging', tags.deleteBucketTagging],
  'GET bucket lifecycle': ['GetBucketLifecycleConfiguration', settings.getLifecycle],
  'PUT bucket lifecycle': ['PutBucketLifecycleConfiguration', settings.putLifecycle],
  'DELETE bucket lifecycle': ['DeleteBucketLifecycle', settings.deleteSetting('PutLifecycleConfiguration', 'lifecycle')],
  'GET bucket object-lock': ['GetObjectLockConfiguration', lock.getLockConfiguration],
  'PUT bucket object-lock': ['PutObjectLockConfiguration', lock.putLockConfiguration],
  'GET bucket ownershipControls': ['GetBucketOwnershipControls', settings.getOwnership],
  'PUT bucket ownershipControls': ['PutBucketOwnershipControls', settings.putOwnership],
  'DELETE bucket ownershipControls': ['DeleteBucketOwnershipControls', settings.deleteSetting('PutBucketOwnershipControls', 'ownership')],
  'GET bucket publicAccessBlock': ['GetPublicAccessBlock', settings.getPublicAccess],
  'PUT bucket publicAccessBlock': ['PutPublicAccessBlock', settings.putPublicAccess],
  'DELETE bucket publicAccessBlock': ['DeletePublicAccessBlock', settings.deleteSetting('PutBucketPublicAccessBlock', 'publicAccess')],
  'GET bucket encryption': ['GetBucketEncryption', settings.absent('GetBucketVersioning', 'ServerSideEncryptionConfigurationNotFoundError')],
  'GET bucket replication': ['GetBucketReplication', settings.absent('GetBucketVersioning', 'ReplicationConfigurationNotFoundError')],
  'GET bucket website': ['GetBucketWebsite', settings.absent('GetBucketVersioning', 'NoSuchWebsiteConfiguration')],
  'GET object': ['GetObject', objects.getObject],
  'HEAD object': ['HeadObject', objects.getObject],
  'PUT object': ['PutObject', objects.putObject],
  'PUT object copy': ['CopyObject', objects.copyObject],
  'DELETE object': ['DeleteObject', objects.deleteObject],
  'GET object attributes': ['GetObjectAttributes', getAttributes],
  'GET object acl': ['GetObjectAcl', settings.getObjectAcl],
  'PUT object acl': ['PutObjectAcl', settings.putObjectAcl],
  'GET object tagging': ['GetObjectTagging', tags.getObjectTagging],
  'PUT object tagging': ['PutObjectTagging', tags.putObjectTagging],
  'DELETE object tagging': ['DeleteObjectTagging', tags.deleteObjectTagging],
  'GET object retention': ['GetObjectRetention', lock.getRetention],
  'PUT object retention': ['PutObjectRetention', lock.putRetention],
  'GET object legal-hold': ['GetObjectLegalHold', lock.getLegalHold],
  'PUT object legal-hold': ['PutObjectLegalHold', lock.putLegalHold],
  'POST object uploads': ['CreateMultipartUpload', multipart.createMultipart],
  'PUT object uploadId': ['UploadPart', multipart.uploadPart],
  'PUT object uploadId copy': ['UploadPartCopy', multipart.uploadPartCopy],
  'POST object uploadId': ['CompleteMultipartUpload', multipart.completeMultipart],
  'DELETE object uploadId': ['AbortMultipartUpload', multipart.abortMultipart],
  'GET object uploadId': ['ListParts', multipart.listParts],
};

/** Names of all that can be asked. */
export const operationNames: readonly string[] = Object.values(table).map(([name]) => name);

/** @throws S3Error `NotImplemented` for what S3 has and this server has not, `MethodNotAllowed` for what nobody has. */
export function operationOf(method: string, { bucket, key }: { bucket: string; key: string }, query: ReadonlyMap<string, string>, copies: boolean): Operation {
  const place = bucket === '' ? 'service' : key === '' ? 'bucket' : 'object';
  const named = subresources.filter((name) => query.has(name));
  // What a GET of a sub-resource would say can be asked about, too.
  const verb = method === 'HEAD' && named.length > 0 ? 'GET' : method;
  const found = table[[verb, place, ...named.slice(0, 1), ...(copies && method === 'PUT' && place === 'object' ? ['copy'] : [])].join(' ')];
  if (found && named.length <= 1) return { name: found[0], run: found[1] };
  if (named.length > 0) throw new S3Error('NotImplemented', 'A header or query you provided implies functionality that is not implemented');
  throw new S3Error('MethodNotAllowed', 'The specified method is not allowed against this resource.');
}
