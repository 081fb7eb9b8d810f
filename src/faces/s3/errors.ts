/** S3 error codes with their statuses. */
import type { Refusal, Reason } from '../../core/refusal.ts';

/**
 * Status and message of each code. S3 has a fixed message for most, which clients and test suites compare; additional
 * text goes into `Detail`. Codes without a message here have several.
 */
const codes = {
  AccessDenied: [403],
  AccessForbidden: [403],
  AuthorizationHeaderMalformed: [400],
  AuthorizationQueryParametersError: [400],
  AccessControlListNotSupported: [400, 'The bucket does not allow ACLs.'],
  BadDigest: [400],
  BadRequest: [400],
  BucketAlreadyExists: [
    409,
    'The requested bucket name is not available. The bucket name can not be an existing collection, and the bucket namespace is shared by all users of the system. Please select a different name and try again.',
  ],
  BucketNotEmpty: [409],
  EntityTooLarge: [400, 'Your proposed upload exceeds the maximum allowed object size.'],
  EntityTooSmall: [400, 'Your proposed upload is smaller than the minimum allowed size'],
  IncompleteBody: [400],
  InsufficientStorage: [507],
  InternalError: [500, 'We encountered an internal error, please try again.'],
  InvalidAccessKeyId: [403, 'The AWS Access Key Id you provided does not exist in our records.'],
  InvalidArgument: [400],
  InvalidBucketAclWithObjectOwnership: [
    400,
    "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
  ],
  InvalidBucketName: [400, 'The specified bucket is not valid.'],
  InvalidDigest: [400, 'The Content-Md5 you specified is not valid.'],
  InvalidBucketState: [409],
  InvalidLocationConstraint: [400, 'The specified location-constraint is not valid'],
  InvalidObjectState: [403, 'The operation is not valid for the current state of the object.'],
  InvalidPart: [
    400,
    "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
  ],
  InvalidPartNumber: [416, 'The requested partnumber is not satisfiable.'],
  InvalidPartOrder: [400, 'The list of parts was not in ascending order. Parts must be ordered by part number.'],
  InvalidPolicyDocument: [400],
  InvalidRange: [416],
  InvalidRequest: [400],
  InvalidRetentionPeriod: [400],
  InvalidStorageClass: [400, 'The storage class you specified is not valid'],
  InvalidTag: [400],
  InvalidToken: [400, 'The provided token is malformed or otherwise invalid.'],
  InvalidURI: [400, "The specified URI couldn't be parsed."],
  KeyTooLongError: [400, 'Your key is too long.'],
  MalformedPOSTRequest: [400, 'The body of your POST request is not well-formed multipart/form-data.'],
  MalformedPolicy: [400],
  MalformedTrailerError: [
    400,
    'The request contained trailing data that was not well-formed or did not conform to our published schema.',
  ],
  MalformedXML: [400, 'The XML you provided was not well-formed or did not validate against our published schema.'],
  MaxMessageLengthExceeded: [400, 'Your request was too big.'],
  MetadataTooLarge: [400, 'Your metadata headers exceed the maximum allowed metadata size'],
  MethodNotAllowed: [405, 'The specified method is not allowed against this resource.'],
  MissingContentLength: [411, 'You must provide the Content-Length HTTP header.'],
  NoSuchBucket: [404, 'The specified bucket does not exist.'],
  NoSuchBucketPolicy: [404, 'The bucket policy does not exist.'],
  NoSuchConfiguration: [404, 'The specified configuration does not exist.'],
  NoSuchCORSConfiguration: [404, 'The CORS configuration does not exist'],
  NoSuchKey: [404, 'The specified key does not exist.'],
  NoSuchLifecycleConfiguration: [404, 'The lifecycle configuration does not exist'],
  NoSuchObjectLockConfiguration: [404, 'The specified object does not have a ObjectLock configuration.'],
  NoSuchPublicAccessBlockConfiguration: [404, 'The public access block configuration was not found'],
  NoSuchTagSet: [404, 'The TagSet does not exist.'],
  NoSuchUpload: [
    404,
    'The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
  ],
  NoSuchVersion: [404, 'The specified version does not exist.'],
  NoSuchWebsiteConfiguration: [404, 'The specified bucket does not have a website configuration'],
  NotImplemented: [501, 'A header you provided implies functionality that is not implemented.'],
  ObjectLockConfigurationNotFoundError: [404, 'Object Lock configuration does not exist for this bucket.'],
  OperationAborted: [409],
  OwnershipControlsNotFoundError: [404, 'The bucket ownership controls were not found.'],
  PreconditionFailed: [412, 'At least one of the pre-conditions you specified did not hold.'],
  QuotaExceeded: [403],
  ReplicationConfigurationNotFoundError: [404, 'The replication configuration was not found'],
  RequestHeaderSectionTooLarge: [400, 'Your request header section exceeds the maximum allowed size.'],
  RequestTimeTooSkewed: [403, 'The difference between the request time and the current time is too large.'],
  RequestTimeout: [400],
  ServerSideEncryptionConfigurationNotFoundError: [404, 'The server side encryption configuration was not found'],
  ServiceUnavailable: [503],
  SignatureDoesNotMatch: [
    403,
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
  ],
  SlowDown: [503, 'Please reduce your request rate.'],
  UnexpectedContent: [400, 'This request does not support content.'],
  UnresolvableGrantByEmailAddress: [400, 'The email address you provided does not match any account on record.'],
  XAmzContentSHA256Mismatch: [400, "The provided 'x-amz-content-sha256' header does not match what was computed."],
} as const satisfies Record<string, readonly [status: number, sentence?: string]>;

export type S3Code = keyof typeof codes;

/** An S3 error response. A message that differs from the fixed one is sent as `Detail`. */
export class S3Error extends Error {
  override readonly name = 'S3Error';
  readonly code: S3Code;
  /** Additional elements of the response. */
  readonly details: Readonly<Record<string, string>>;
  /** Headers of the response. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: S3Code,
    message?: string,
    details: Readonly<Record<string, string>> = {},
    headers: Readonly<Record<string, string>> = {},
  ) {
    const [, sentence] = codes[code] as readonly [number, string?];
    super(sentence ?? message ?? (code === 'AccessDenied' ? 'Access Denied.' : code));
    this.code = code;
    const adds = sentence !== undefined && message !== undefined && bare(message) !== bare(sentence);
    this.details = adds ? { Detail: message, ...details } : details;
    this.headers = headers;
  }

  get status(): number {
    return codes[this.code][0];
  }
}

/** Removes the final full stop. */
function bare(sentence: string): string {
  return sentence.replace(/\.$/, '');
}

export function notImplemented(details: Readonly<Record<string, string>>): S3Error {
  return new S3Error('NotImplemented', undefined, details);
}

/** InvalidArgument with the argument's name and value. */
export function invalidArgument(message: string, name: string, value: string): S3Error {
  return new S3Error('InvalidArgument', message, { ArgumentName: name, ArgumentValue: value });
}

/** Whether the request used an unknown key or a wrong signature. */
export function isWrongKey(error: unknown): boolean {
  return error instanceof S3Error && (error.code === 'InvalidAccessKeyId' || error.code === 'SignatureDoesNotMatch');
}

/** S3's error for each reason: a code with the core's message, or a complete error. */
const codesByReason: Record<Reason, S3Code | ((refusal: Refusal) => S3Error)> = {
  malformed: 'InvalidArgument',
  bad_text: 'InvalidArgument',
  bad_type: 'InvalidArgument',
  bad_shape: 'InvalidArgument',
  reserved_source: 'InvalidArgument',
  bad_bucket_name: () => new S3Error('InvalidBucketName'),
  key_too_long: 'KeyTooLongError',
  other_slot: 'InvalidArgument',
  slot_empty: 'InvalidArgument',
  size_mismatch: 'InvalidArgument',
  checksum_mismatch: 'InvalidArgument',
  ends_too_early: 'InvalidArgument',
  unauthenticated: 'AccessDenied',
  wrong_secret: 'AccessDenied',
  operators_only: 'AccessDenied',
  forbidden: () => new S3Error('AccessDenied'),
  foreign_bucket: () => new S3Error('AccessDenied'),
  locked: () => new S3Error('AccessDenied', 'Access Denied because object protected by object lock.'),
  not_found: () => new S3Error('NoSuchKey'),
  no_bucket: () => new S3Error('NoSuchBucket'),
  no_blob: () => new S3Error('NoSuchKey'),
  no_object: () => new S3Error('NoSuchKey'),
  no_multipart: () => new S3Error('NoSuchUpload'),
  conflict: 'OperationAborted',
  bucket_owned: () => new S3Error('BucketAlreadyExists'),
  bucket_taken: () => new S3Error('BucketAlreadyExists'),
  bucket_occupied: () => new S3Error('BucketNotEmpty', 'The bucket you tried to delete is not empty.'),
  bucket_changed: 'OperationAborted',
  bucket_locked: () =>
    new S3Error(
      'InvalidBucketState',
      'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.',
    ),
  upload_changed: 'OperationAborted',
  part_replaced: () =>
    new S3Error(
      'InvalidPart',
      "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
    ),
  pinned: 'OperationAborted',
  idempotency_conflict: 'OperationAborted',
  idempotency_in_progress: 'OperationAborted',
  offset_mismatch: 'OperationAborted',
  digest_mismatch: 'BadDigest',
  too_large: 'EntityTooLarge',
  interrupted: 'IncompleteBody',
  superseded: 'OperationAborted',
  not_ready: 'ServiceUnavailable',
  precondition: () => new S3Error('PreconditionFailed'),
  out_of_range: ({ details: { size = '*' } }) =>
    new S3Error('InvalidRange', 'The requested range is not satisfiable', {}, { 'Content-Range': `bytes */${size}` }),
  full: 'InsufficientStorage',
  over_quota: 'QuotaExceeded',
  throttled: ({ details: { retry_after: wait = 1 } }) =>
    new S3Error('SlowDown', undefined, {}, { 'Retry-After': String(wait) }),
  unavailable: 'ServiceUnavailable',
  lost: 'InternalError',
};

/** Maps a refusal of the core to an S3 error. */
export function fromRefusal(refusal: Refusal): S3Error {
  const answer = codesByReason[refusal.reason];
  return typeof answer === 'string' ? new S3Error(answer, refusal.message) : answer(refusal);
}
