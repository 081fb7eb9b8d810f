/** The core's only error. Each face maps every reason to a response; `details` are plain facts. */
export type Reason =
  /** The request is invalid for any caller. */
  | 'malformed'
  /** The text is not UTF-8, or has control characters. */
  | 'bad_text'
  /** The body does not declare the required type. */
  | 'bad_type'
  /** The body has the right type but an invalid shape. */
  | 'bad_shape'
  /** The source URL is reserved for the server. */
  | 'reserved_source'
  /** The bucket name is invalid. */
  | 'bad_bucket_name'
  /** The names of a release file make a key that is too long. */
  | 'key_too_long'
  /** The key differs from that of the file's slot. */
  | 'other_slot'
  /** The slot has no object. */
  | 'slot_empty'
  /** The object in the slot has another size than declared. */
  | 'size_mismatch'
  /** The object in the slot has another sha256 than declared. */
  | 'checksum_mismatch'
  /** The entitlement would end before it starts. */
  | 'ends_too_early'
  /** The caller is not authenticated. */
  | 'unauthenticated'
  /** The secret is wrong. */
  | 'wrong_secret'
  /** Only operators may do this. */
  | 'operators_only'
  /** The caller is known but not allowed. */
  | 'forbidden'
  /** The bucket belongs to another namespace. */
  | 'foreign_bucket'
  /** Object lock protects a version that this would end or weaken. */
  | 'locked'
  /** It does not exist, or the caller may not know that it does. */
  | 'not_found'
  | 'no_bucket'
  | 'no_blob'
  | 'no_object'
  /** There is no open multipart upload with that id. */
  | 'no_multipart'
  /** The state of the record, or another record, forbids it. */
  | 'conflict'
  /** The caller's namespace has a bucket of that name. */
  | 'bucket_owned'
  /** Another namespace has a bucket of that name. */
  | 'bucket_taken'
  /** The bucket is not empty. */
  | 'bucket_occupied'
  /** A setting of the bucket differs from what the caller read. */
  | 'bucket_changed'
  /** Object lock requires that the bucket keeps its versions. */
  | 'bucket_locked'
  /** Another request ended or changed the upload. */
  | 'upload_changed'
  /** A part of the multipart upload was replaced. */
  | 'part_replaced'
  /** A release pins the artifact; only the release can change it. */
  | 'pinned'
  /** The idempotency key belongs to another request. */
  | 'idempotency_conflict'
  /** The request with that idempotency key is running; retry after `details.retry_after` seconds. */
  | 'idempotency_in_progress'
  /** The append's offset differs from the upload's, which is `details.offset`. */
  | 'offset_mismatch'
  /** The bytes differ from the declared digest. */
  | 'digest_mismatch'
  /** More bytes than declared or allowed. */
  | 'too_large'
  /** The body was incomplete. */
  | 'interrupted'
  /** A newer request took over the upload. */
  | 'superseded'
  /** Not yet; the same request may succeed later. */
  | 'not_ready'
  /** A condition of the request does not hold. */
  | 'precondition'
  /** The range contains no byte; `details.size` is the length. */
  | 'out_of_range'
  /** The disk has no space for the bytes. */
  | 'full'
  /** The namespace exceeds its storage quota or monthly transfer. */
  | 'over_quota'
  /** Too many wrong secrets; retry after `details.retry_after` seconds. */
  | 'throttled'
  /** The store does not trust its disk, or is shutting down. */
  | 'unavailable'
  /** The record exists, but its bytes are missing or corrupt. */
  | 'lost';

export class Refusal extends Error {
  readonly reason: Reason;
  /** Facts for headers or bodies; never secrets, paths or names of other tenants. */
  readonly details: Readonly<Record<string, string | number>>;

  constructor(
    reason: Reason,
    sentence: string,
    details: Readonly<Record<string, string | number>> = {},
    cause?: unknown,
  ) {
    super(sentence, cause === undefined ? undefined : { cause });
    this.name = 'Refusal';
    this.reason = reason;
    this.details = details;
  }
}
