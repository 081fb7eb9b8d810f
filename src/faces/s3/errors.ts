/** How S3 says no: a code, which clients match on, and the status that goes with it. */
import { Refusal, type Reason } from '../../core/refusal.ts';

const statuses = {
  AccessDenied: 403,
  AuthorizationHeaderMalformed: 400,
  AuthorizationQueryParametersError: 400,
  AccessControlListNotSupported: 400,
  BadDigest: 400,
  BucketAlreadyExists: 409,
  BucketNotEmpty: 409,
  EntityTooLarge: 400,
  EntityTooSmall: 400,
  IllegalVersioningConfigurationException: 400,
  IncompleteBody: 400,
  InsufficientStorage: 507,
  InternalError: 500,
  InvalidAccessKeyId: 403,
  InvalidArgument: 400,
  InvalidBucketAclWithObjectOwnership: 400,
  InvalidBucketName: 400,
  InvalidDigest: 400,
  InvalidBucketState: 409,
  InvalidLocationConstraint: 400,
  InvalidObjectState: 403,
  InvalidPart: 400,
  InvalidPartNumber: 416,
  InvalidPartOrder: 400,
  InvalidPolicyDocument: 400,
  InvalidRange: 416,
  InvalidRequest: 400,
  InvalidRetentionPeriod: 400,
  InvalidTag: 400,
  InvalidURI: 400,
  KeyTooLongError: 400,
  MalformedPOSTRequest: 400,
  MalformedPolicy: 400,
  MalformedTrailerError: 400,
  MalformedXML: 400,
  MetadataTooLarge: 400,
  MethodNotAllowed: 405,
  MissingContentLength: 411,
  NoSuchBucket: 404,
  NoSuchBucketPolicy: 404,
  NoSuchCORSConfiguration: 404,
  NoSuchKey: 404,
  NoSuchLifecycleConfiguration: 404,
  NoSuchObjectLockConfiguration: 404,
  NoSuchPublicAccessBlockConfiguration: 404,
  NoSuchTagSet: 404,
  NoSuchUpload: 404,
  NoSuchVersion: 404,
  NoSuchWebsiteConfiguration: 404,
  NotImplemented: 501,
  ObjectLockConfigurationNotFoundError: 404,
  OperationAborted: 409,
  OwnershipControlsNotFoundError: 404,
  PreconditionFailed: 412,
  QuotaExceeded: 403,
  ReplicationConfigurationNotFoundError: 404,
  RequestHeaderSectionTooLarge: 400,
  RequestTimeTooSkewed: 403,
  RequestTimeout: 400,
  ServerSideEncryptionConfigurationNotFoundError: 404,
  ServiceUnavailable: 503,
  SignatureDoesNotMatch: 403,
  UnresolvableGrantByEmailAddress: 400,
  XAmzContentSHA256Mismatch: 400,
} as const;

export type S3Code = keyof typeof statuses;

/** A refusal in S3's own words. */
export class S3Error extends Error {
  override readonly name = 'S3Error';
  readonly code: S3Code;
  /** More elements of the answer, by name. */
  readonly details: Readonly<Record<string, string>>;
  /** Headers of the answer. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: S3Code, message: string, details: Readonly<Record<string, string>> = {}, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.code = code;
    this.details = details;
    this.headers = headers;
  }

  get status(): number {
    return statuses[this.code];
  }
}

const codes: Record<Reason, S3Code> = {
  malformed: 'InvalidArgument',
  unauthenticated: 'AccessDenied',
  forbidden: 'AccessDenied',
  not_found: 'NoSuchKey',
  conflict: 'OperationAborted',
  offset_mismatch: 'OperationAborted',
  digest_mismatch: 'BadDigest',
  too_large: 'EntityTooLarge',
  interrupted: 'IncompleteBody',
  superseded: 'OperationAborted',
  not_ready: 'ServiceUnavailable',
  precondition: 'PreconditionFailed',
  out_of_range: 'InvalidRange',
  full: 'InsufficientStorage',
  over_quota: 'QuotaExceeded',
  unavailable: 'ServiceUnavailable',
  lost: 'InternalError',
};

/** What S3 calls a refusal of the core. */
export function fromRefusal(refusal: Refusal): S3Error {
  const { reason, message, details } = refusal;
  if (reason === 'not_found') return notFound(refusal);
  if (reason === 'conflict' && details['occupied'] !== undefined) return new S3Error('BucketNotEmpty', 'The bucket you tried to delete is not empty');
  if (reason === 'conflict' && details['owned'] !== undefined) return new S3Error('BucketAlreadyExists', 'The requested bucket name is not available.');
  if (details['locked'] !== undefined) return new S3Error('AccessDenied', 'Access Denied because object protected by object lock.');
  if (reason === 'conflict' && details['state'] === 'lock') {
    return new S3Error('InvalidBucketState', 'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.');
  }
  if (reason === 'malformed' && details['what'] === 'bucket') return new S3Error('InvalidBucketName', 'The specified bucket is not valid.');
  if (reason === 'forbidden') return new S3Error('AccessDenied', 'Access Denied');
  if (reason === 'out_of_range') {
    return new S3Error('InvalidRange', 'The requested range is not satisfiable', {}, { 'Content-Range': `bytes */${details['size'] ?? '*'}` });
  }
  if (reason === 'precondition') return new S3Error('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold');
  return new S3Error(codes[reason], message);
}

function notFound({ details }: Refusal): S3Error {
  switch (details['missing']) {
    case 'bucket':
      return new S3Error('NoSuchBucket', 'The specified bucket does not exist');
    case 'upload':
      return new S3Error('NoSuchUpload', 'The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.');
    case 'version':
      return new S3Error('NoSuchVersion', 'The specified version does not exist.');
    default:
      return new S3Error('NoSuchKey', 'The specified key does not exist.');
  }
}
