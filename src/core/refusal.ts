/**
 * The core's one error. A face turns a reason into its own status and words by a table that must name them all: what decides an answer is
 * a reason, and `details` hold plain facts.
 */
export type Reason =
  /** The request is invalid for any caller. */
  | 'malformed'
  /** Text that no field takes: not UTF-8, or with control characters. */
  | 'bad_text'
  /** A body that does not say that it is of the type that is needed. */
  | 'bad_type'
  /** A body of that type, but not of the shape that is needed. */
  | 'bad_shape'
  /** A source URL that only the server gives. */
  | 'reserved_source'
  /** A name that no bucket can have. */
  | 'bad_bucket_name'
  /** The names of a file of a release make a key that is too long. */
  | 'key_too_long'
  /** The key is not that of the slot which was opened for the file. */
  | 'other_slot'
  /** Nothing was put into the slot. */
  | 'slot_empty'
  /** What was put into the slot has another size than its client says. */
  | 'size_mismatch'
  /** What was put into the slot has another sha256 than its client says. */
  | 'checksum_mismatch'
  /** An entitlement that would end before it starts. */
  | 'ends_too_early'
  /** The caller is not authenticated. */
  | 'unauthenticated'
  /** The secret that was shown is none of those that open it. */
  | 'wrong_secret'
  /** Only the operators may. */
  | 'operators_only'
  /** The caller is known but not allowed. */
  | 'forbidden'
  /** The bucket is another namespace's. */
  | 'foreign_bucket'
  /** Object lock protects a version that this would end or weaken. */
  | 'locked'
  /** It does not exist, or the caller may not know that it does. */
  | 'not_found'
  | 'no_bucket'
  | 'no_blob'
  | 'no_object'
  /** No multipart upload of that id that is open. */
  | 'no_multipart'
  /** The state of the record, or another record, forbids it. */
  | 'conflict'
  /** The caller's namespace has a bucket of that name. */
  | 'bucket_owned'
  /** Another namespace has a bucket of that name. */
  | 'bucket_taken'
  /** The bucket is not empty. */
  | 'bucket_occupied'
  /** A setting of the bucket is not as the caller saw it. */
  | 'bucket_changed'
  /** A bucket with object lock keeps its versions. */
  | 'bucket_locked'
  /** Somebody else ended or changed the upload. */
  | 'upload_changed'
  /** A part of the multipart upload was replaced. */
  | 'part_replaced'
  /** A release holds the artifact, which changes with the release alone. */
  | 'pinned'
  /** The request's idempotency key stands for another request. */
  | 'idempotency_conflict'
  /** Somebody works on the request of that idempotency key; `details.retry_after` says in how many seconds to come back. */
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
