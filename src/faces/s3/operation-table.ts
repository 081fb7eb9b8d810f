/**
 * All S3 operations: how to recognize them, and which parameters and `x-amz-` headers they accept. Others are refused:
 * if they were ignored, a request for an unsupported operation would run as a different one.
 */
import { getAttributes } from './attributes.ts';
import * as buckets from './buckets.ts';
import type { S3Call } from './call.ts';
import { body, grantHeaders, newObjectHeaders } from './header-names.ts';
import { copyObject } from './copying.ts';
import { listObjects, listObjectsV2, listVersions } from './listing.ts';
import * as lock from './lock.ts';
import * as multipart from './multipart.ts';
import { completeMultipart } from './multipart-completion.ts';
import * as objects from './objects.ts';
import { postObject } from './post.ts';
import * as settings from './settings.ts';
import * as tags from './tags.ts';

export interface S3Operation {
  /** S3's name. */
  readonly name: string;
  readonly run: (call: S3Call) => Promise<void>;
}

export type Place = 'service' | 'bucket' | 'object';

export interface Row {
  readonly name: string;
  readonly method: string;
  readonly place: Place;
  /** Parameters that identify it: a name, or a name and value. */
  readonly marks: readonly string[];
  /** Optional parameters. */
  readonly takes: readonly string[];
  /** Accepted `x-amz-` headers; a trailing `*` matches any suffix. */
  readonly headers: readonly string[];
  /** Absent if this server does not implement the operation. */
  readonly run?: S3Operation['run'];
}

const source = ['x-amz-copy-source', 'x-amz-copy-source-if-*', 'x-amz-source-expected-bucket-owner'];
const bypass = ['x-amz-bypass-governance-retention'];
const rendering = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
].map((name) => `response-${name}`);
const listing = ['delimiter', 'encoding-type', 'max-keys', 'prefix'];
/** Sent by MinIO's client for an extended listing. */
const minio = ['metadata'];
/** Parameters that `success_action_redirect` adds, in case it points to the bucket itself. */
const redirected = ['bucket', 'key', 'etag'];
const optional = ['x-amz-optional-object-attributes'];
const removal = [...bypass, 'x-amz-if-match-last-modified-time', 'x-amz-if-match-size'];
const conditional = ['if-match', 'if-none-match'];
const validators = [...conditional, 'if-modified-since', 'if-unmodified-since', 'if-range', 'range'];

interface More {
  readonly takes?: readonly string[];
  readonly headers?: readonly string[];
  readonly run?: S3Operation['run'];
}

/** @param where method, resource, and the identifying parameters */
function row(name: string, where: string, { takes = [], headers = [], run }: More = {}): Row {
  const [method = '', place, ...marks] = where.split(' ');
  return { name, method, place: place as Place, marks, takes, headers, ...(run ? { run } : {}) };
}

const readObject: More = {
  takes: ['versionId', 'partNumber', ...rendering],
  headers: ['x-amz-checksum-mode', ...validators],
  run: objects.getObject,
};
const configuration = { takes: ['id'] };
const page = { takes: ['continuation-token'] };

export const operationTable: readonly Row[] = [
  row('ListBuckets', 'GET service', {
    takes: ['max-buckets', 'continuation-token', 'prefix', 'bucket-region'],
    run: buckets.listBuckets,
  }),
  row('ListDirectoryBuckets', 'GET service x-id=ListDirectoryBuckets', {
    takes: ['continuation-token', 'max-directory-buckets'],
  }),

  row('CreateBucket', 'PUT bucket', {
    headers: [
      ...body,
      ...grantHeaders,
      'x-amz-bucket-object-lock-enabled',
      'x-amz-object-ownership',
      'x-amz-bucket-namespace',
    ],
    run: buckets.createBucket,
  }),
  row('HeadBucket', 'HEAD bucket', { run: buckets.headBucket }),
  row('DeleteBucket', 'DELETE bucket', { run: buckets.deleteBucket }),
  row('ListObjects', 'GET bucket', {
    takes: [...listing, ...redirected, 'marker'],
    headers: optional,
    run: listObjects,
  }),
  row('ListObjectsV2', 'GET bucket list-type=2', {
    takes: [...listing, ...minio, 'continuation-token', 'fetch-owner', 'start-after'],
    headers: optional,
    run: listObjectsV2,
  }),
  row('ListObjectVersions', 'GET bucket versions', {
    takes: [...listing, ...minio, 'key-marker', 'version-id-marker'],
    headers: optional,
    run: listVersions,
  }),
  row('ListMultipartUploads', 'GET bucket uploads', {
    takes: ['delimiter', 'encoding-type', 'key-marker', 'max-uploads', 'prefix', 'upload-id-marker'],
    run: multipart.listMultiparts,
  }),
  row('PostObject', 'POST bucket', { run: postObject }),
  row('DeleteObjects', 'POST bucket delete', { headers: [...body, ...bypass], run: objects.deleteObjects }),
  row('CreateSession', 'GET bucket session'),

  row('GetBucketLocation', 'GET bucket location', { run: buckets.getLocation }),
  row('GetBucketVersioning', 'GET bucket versioning', { run: buckets.getVersioning }),
  row('PutBucketVersioning', 'PUT bucket versioning', { headers: body, run: buckets.putVersioning }),
  row('GetBucketCors', 'GET bucket cors', { run: buckets.getCors }),
  row('PutBucketCors', 'PUT bucket cors', { headers: body, run: buckets.putCors }),
  row('DeleteBucketCors', 'DELETE bucket cors', { run: settings.deleteSetting('PutBucketCORS', 'cors') }),
  row('GetBucketAcl', 'GET bucket acl', { run: settings.getBucketAcl }),
  row('PutBucketAcl', 'PUT bucket acl', { headers: [...body, ...grantHeaders], run: settings.putBucketAcl }),
  row('GetBucketPolicy', 'GET bucket policy', { run: settings.getPolicy }),
  row('PutBucketPolicy', 'PUT bucket policy', {
    headers: [...body, 'x-amz-confirm-remove-self-bucket-access'],
    run: settings.putPolicy,
  }),
  row('DeleteBucketPolicy', 'DELETE bucket policy', { run: settings.deletePolicy }),
  row('GetBucketPolicyStatus', 'GET bucket policyStatus', { run: settings.getPolicyStatus }),
  row('GetBucketTagging', 'GET bucket tagging', { run: tags.getBucketTagging }),
  row('PutBucketTagging', 'PUT bucket tagging', { headers: body, run: tags.putBucketTagging }),
  row('DeleteBucketTagging', 'DELETE bucket tagging', { run: tags.deleteBucketTagging }),
  row('GetBucketLifecycleConfiguration', 'GET bucket lifecycle', { run: settings.getLifecycle }),
  row('PutBucketLifecycleConfiguration', 'PUT bucket lifecycle', {
    headers: [...body, 'x-amz-transition-default-minimum-object-size'],
    run: settings.putLifecycle,
  }),
  row('DeleteBucketLifecycle', 'DELETE bucket lifecycle', {
    run: settings.deleteSetting('PutLifecycleConfiguration', 'lifecycle'),
  }),
  row('GetObjectLockConfiguration', 'GET bucket object-lock', { run: lock.getLockConfiguration }),
  row('PutObjectLockConfiguration', 'PUT bucket object-lock', { headers: body, run: lock.putLockConfiguration }),
  row('GetBucketOwnershipControls', 'GET bucket ownershipControls', { run: settings.getOwnership }),
  row('PutBucketOwnershipControls', 'PUT bucket ownershipControls', { headers: body, run: settings.putOwnership }),
  row('DeleteBucketOwnershipControls', 'DELETE bucket ownershipControls', {
    run: settings.deleteSetting('PutBucketOwnershipControls', 'ownership'),
  }),
  row('GetPublicAccessBlock', 'GET bucket publicAccessBlock', { run: settings.getPublicAccess }),
  row('PutPublicAccessBlock', 'PUT bucket publicAccessBlock', { headers: body, run: settings.putPublicAccess }),
  row('DeletePublicAccessBlock', 'DELETE bucket publicAccessBlock', {
    run: settings.deleteSetting('PutBucketPublicAccessBlock', 'publicAccess'),
  }),

  // Features that no bucket has here: a GET answers as S3 does for a bucket without them.
  row('GetBucketEncryption', 'GET bucket encryption', {
    run: settings.notConfigured('GetEncryptionConfiguration', 'ServerSideEncryptionConfigurationNotFoundError'),
  }),
  row('PutBucketEncryption', 'PUT bucket encryption'),
  row('DeleteBucketEncryption', 'DELETE bucket encryption'),
  row('GetBucketReplication', 'GET bucket replication', {
    run: settings.notConfigured('GetReplicationConfiguration', 'ReplicationConfigurationNotFoundError'),
  }),
  row('PutBucketReplication', 'PUT bucket replication'),
  row('DeleteBucketReplication', 'DELETE bucket replication'),
  row('GetBucketWebsite', 'GET bucket website', {
    run: settings.notConfigured('GetBucketWebsite', 'NoSuchWebsiteConfiguration'),
  }),
  row('PutBucketWebsite', 'PUT bucket website'),
  row('DeleteBucketWebsite', 'DELETE bucket website'),
  row('GetBucketNotificationConfiguration', 'GET bucket notification', {
    run: settings.emptyConfiguration('GetBucketNotification', 'NotificationConfiguration'),
  }),
  row('PutBucketNotificationConfiguration', 'PUT bucket notification'),
  row('GetBucketLogging', 'GET bucket logging', {
    run: settings.emptyConfiguration('GetBucketLogging', 'BucketLoggingStatus'),
  }),
  row('PutBucketLogging', 'PUT bucket logging'),
  row('GetBucketRequestPayment', 'GET bucket requestPayment', {
    run: settings.emptyConfiguration('GetBucketRequestPayment', 'RequestPaymentConfiguration', {
      Payer: 'BucketOwner',
    }),
  }),
  row('PutBucketRequestPayment', 'PUT bucket requestPayment'),
  row('GetBucketAccelerateConfiguration', 'GET bucket accelerate', {
    run: settings.emptyConfiguration('GetAccelerateConfiguration', 'AccelerateConfiguration'),
  }),
  row('PutBucketAccelerateConfiguration', 'PUT bucket accelerate'),
  ...(
    [
      ['Analytics', 'analytics', 'GetAnalyticsConfiguration', 'ListBucketAnalyticsConfigurationResult'],
      [
        'IntelligentTiering',
        'intelligent-tiering',
        'GetIntelligentTieringConfiguration',
        'ListBucketIntelligentTieringConfigurationsOutput',
      ],
      ['Inventory', 'inventory', 'GetInventoryConfiguration', 'ListInventoryConfigurationsResult'],
      ['Metrics', 'metrics', 'GetMetricsConfiguration', 'ListMetricsConfigurationsResult'],
    ] as const
  ).flatMap(([name, mark, action, root]) => [
    row(`ListBucket${name}Configurations`, `GET bucket ${mark}`, {
      ...page,
      run: settings.emptyConfiguration(action, root, { IsTruncated: false }),
    }),
    row(`GetBucket${name}Configuration`, `GET bucket ${mark} id`, {
      run: settings.notConfigured(action, 'NoSuchConfiguration'),
    }),
    row(`PutBucket${name}Configuration`, `PUT bucket ${mark}`, configuration),
    row(`DeleteBucket${name}Configuration`, `DELETE bucket ${mark}`, configuration),
  ]),
  row('GetBucketAbac', 'GET bucket abac'),
  row('PutBucketAbac', 'PUT bucket abac'),
  row('CreateBucketMetadataConfiguration', 'POST bucket metadataConfiguration'),
  row('GetBucketMetadataConfiguration', 'GET bucket metadataConfiguration'),
  row('DeleteBucketMetadataConfiguration', 'DELETE bucket metadataConfiguration'),
  row('CreateBucketMetadataTableConfiguration', 'POST bucket metadataTable'),
  row('GetBucketMetadataTableConfiguration', 'GET bucket metadataTable'),
  row('DeleteBucketMetadataTableConfiguration', 'DELETE bucket metadataTable'),
  row('UpdateBucketMetadataAnnotationTableConfiguration', 'PUT bucket metadataAnnotationTable'),
  row('UpdateBucketMetadataInventoryTableConfiguration', 'PUT bucket metadataInventoryTable'),
  row('UpdateBucketMetadataJournalTableConfiguration', 'PUT bucket metadataJournalTable'),

  row('GetObject', 'GET object', readObject),
  row('HeadObject', 'HEAD object', readObject),
  row('PutObject', 'PUT object', { headers: [...body, ...newObjectHeaders, ...conditional], run: objects.putObject }),
  row('CopyObject', 'PUT object +x-amz-copy-source', {
    headers: [
      ...source,
      ...newObjectHeaders,
      ...conditional,
      'x-amz-metadata-directive',
      'x-amz-tagging-directive',
      'x-amz-checksum-algorithm',
    ],
    run: copyObject,
  }),
  row('DeleteObject', 'DELETE object', {
    takes: ['versionId'],
    headers: [...removal, 'if-match'],
    run: objects.deleteObject,
  }),
  row('GetObjectAttributes', 'GET object attributes', {
    takes: ['versionId'],
    headers: ['x-amz-object-attributes', 'x-amz-max-parts', 'x-amz-part-number-marker'],
    run: getAttributes,
  }),
  row('GetObjectAcl', 'GET object acl', { takes: ['versionId'], run: settings.getObjectAcl }),
  row('PutObjectAcl', 'PUT object acl', {
    takes: ['versionId'],
    headers: [...body, ...grantHeaders],
    run: settings.putObjectAcl,
  }),
  row('GetObjectTagging', 'GET object tagging', { takes: ['versionId'], run: tags.getObjectTagging }),
  row('PutObjectTagging', 'PUT object tagging', { takes: ['versionId'], headers: body, run: tags.putObjectTagging }),
  row('DeleteObjectTagging', 'DELETE object tagging', { takes: ['versionId'], run: tags.deleteObjectTagging }),
  row('GetObjectRetention', 'GET object retention', { takes: ['versionId'], run: lock.getRetention }),
  row('PutObjectRetention', 'PUT object retention', {
    takes: ['versionId'],
    headers: [...body, ...bypass],
    run: lock.putRetention,
  }),
  row('GetObjectLegalHold', 'GET object legal-hold', { takes: ['versionId'], run: lock.getLegalHold }),
  row('PutObjectLegalHold', 'PUT object legal-hold', { takes: ['versionId'], headers: body, run: lock.putLegalHold }),
  row('GetObjectTorrent', 'GET object torrent'),
  row('RestoreObject', 'POST object restore', { takes: ['versionId'] }),
  row('SelectObjectContent', 'POST object select', { takes: ['select-type'] }),
  row('RenameObject', 'PUT object renameObject'),
  row('UpdateObjectEncryption', 'PUT object encryption', { takes: ['versionId'] }),
  row('ListObjectAnnotations', 'GET object annotation', {
    takes: ['versionId', 'max-annotation-results', 'annotation-prefix', 'continuation-token'],
  }),
  row('GetObjectAnnotation', 'GET object annotation annotationName', { takes: ['versionId'] }),
  row('PutObjectAnnotation', 'PUT object annotation', { takes: ['annotationName', 'versionId'] }),
  row('DeleteObjectAnnotation', 'DELETE object annotation', { takes: ['annotationName', 'versionId'] }),
  row('WriteGetObjectResponse', 'POST bucket +x-amz-request-route'),

  row('CreateMultipartUpload', 'POST object uploads', {
    headers: [...newObjectHeaders, 'x-amz-checksum-algorithm', 'x-amz-checksum-type'],
    run: multipart.createMultipart,
  }),
  row('UploadPart', 'PUT object uploadId partNumber', { headers: body, run: multipart.uploadPart }),
  row('UploadPartCopy', 'PUT object uploadId partNumber +x-amz-copy-source', {
    headers: [...source, 'x-amz-copy-source-range'],
    run: multipart.uploadPartCopy,
  }),
  row('CompleteMultipartUpload', 'POST object uploadId', {
    headers: [...body, ...conditional, 'x-amz-mp-object-size'],
    run: completeMultipart,
  }),
  row('AbortMultipartUpload', 'DELETE object uploadId', {
    headers: ['x-amz-if-match-initiated-time'],
    run: multipart.abortMultipart,
  }),
  row('ListParts', 'GET object uploadId', { takes: ['max-parts', 'part-number-marker'], run: multipart.listParts }),
];
