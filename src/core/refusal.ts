/**
 * The core's one error. A face turns a reason into its own status and words by a table that must name them all.
 */
export type Reason =
  /** The request makes no sense, whoever asks. */
  | 'malformed'
  /** Nobody proved who asks. */
  | 'unauthenticated'
  /** Known, and not allowed. */
  | 'forbidden'
  /** Not there, or not for the caller to know of. */
  | 'not_found'
  /** The thing is in a state, or has a sibling, that rules this out. */
  | 'conflict'
  /** The append names another offset than the upload has; `details.offset` is the true one. */
  | 'offset_mismatch'
  /** The bytes are not those that the caller promised. */
  | 'digest_mismatch'
  /** More bytes than declared or allowed. */
  | 'too_large'
  /** The body ended before it was whole, and nothing of it was kept. */
  | 'interrupted'
  /** A newer request took the upload over; this one let go. */
  | 'superseded'
  /** Not yet; the same request may succeed later. */
  | 'not_ready'
  /** A condition of the request does not hold. */
  | 'precondition'
  /** No byte of the thing lies in the range asked for; `details.size` says how long it is. */
  | 'out_of_range'
  /** No room for the bytes. */
  | 'full'
  /** More than the namespace may store, or have sent in a month. */
  | 'over_quota'
  /** Too many wrong secrets; `details.retry_after` says in how many seconds to come back. */
  | 'throttled'
  /** The store no longer trusts its disk, or is going down. */
  | 'unavailable'
  /** The record is there, its bytes are not, or are not what they were. */
  | 'lost';

export class Refusal extends Error {
  readonly reason: Reason;
  /** Facts that a face may put into headers or the body; never secrets, paths or another's names. */
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
