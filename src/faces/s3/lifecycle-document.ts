/** Lifecycle rules. They are stored as received and parsed by the same schema before each run. */
import { tag } from './documents.ts';
import { S3Error } from './errors.ts';
import {
  boolean,
  choice,
  documentOf,
  integer,
  KiB,
  many,
  maybe,
  one,
  record,
  text,
  timeOf,
  tokenText,
  unavailable,
  type Reader,
} from './schema.ts';
import { malformed, type Node } from './xml.ts';

const positive = (node: Node): number => {
  const number = integer(node);
  if (number <= 0)
    throw new S3Error('InvalidArgument', `'${node.name}' must be a positive integer`, {
      ArgumentName: node.name,
      ArgumentValue: String(number),
    });
  if (number > 2 ** 31 - 1) throw malformed(`${node.name} must be an integer of 32 bits.`);
  return number;
};

const size = (node: Node): number => {
  const number = integer(node);
  if (number < 0) throw malformed(`${node.name} must be a number of bytes.`);
  return number;
};

/** A date at midnight, in milliseconds since the epoch. */
const midnight: Reader<number> = (node) => {
  const value = tokenText(node);
  const at = /^\d{4}-\d\d-\d\d$/.test(value) ? Date.parse(`${value}T00:00:00Z`) : timeOf(value);
  if (at === undefined || Number.isNaN(at)) throw malformed(`${node.name} must be a date in ISO 8601 format.`);
  if (at % 86_400_000 !== 0)
    throw new S3Error('InvalidArgument', `'${node.name}' must be at midnight GMT`, {
      ArgumentName: node.name,
      ArgumentValue: value,
    });
  return at;
};

const sizes = { ObjectSizeGreaterThan: maybe(size), ObjectSizeLessThan: maybe(size) };

const all = record(
  { Prefix: maybe(text), Tag: many(tag), ...sizes },
  ({ Prefix, Tag, ObjectSizeGreaterThan, ObjectSizeLessThan }) => {
    // S3 refuses an `And` without conditions instead of applying it to all objects.
    const said =
      [Prefix, ObjectSizeGreaterThan, ObjectSizeLessThan].filter((value) => value !== undefined).length + Tag.length;
    if (said < 2) throw malformed('And must hold at least two conditions.');
    if (new Set(Tag.map(({ Key }) => Key)).size < Tag.length)
      throw new S3Error('InvalidRequest', 'Duplicate Tag Keys are not allowed.');
  },
);

/** S3 allows one condition outside of `And`. This server allows several, all of which must hold. */
const filter = record({ Prefix: maybe(text), Tag: maybe(tag), ...sizes, And: maybe(all) });

const expiration = record(
  { Days: maybe(positive), Date: maybe(midnight), ExpiredObjectDeleteMarker: maybe(boolean) },
  (value) => {
    if (Object.values(value).filter((one) => one !== undefined).length !== 1)
      throw malformed('Expiration must hold Days, Date or ExpiredObjectDeleteMarker.');
  },
);

const onlyClass = 'This server has one storage class.';

export const lifecycleRule = record(
  {
    ID: maybe(text),
    Status: one(choice('Enabled', 'Disabled')),
    Prefix: maybe(text),
    Filter: maybe(filter),
    Expiration: maybe(expiration),
    NoncurrentVersionExpiration: maybe(
      record({ NoncurrentDays: one(positive), NewerNoncurrentVersions: maybe(positive) }),
    ),
    AbortIncompleteMultipartUpload: maybe(record({ DaysAfterInitiation: one(positive) })),
    Transition: unavailable(
      record({ Days: maybe(size), Date: maybe(midnight), StorageClass: one(tokenText) }),
      onlyClass,
    ),
    NoncurrentVersionTransition: unavailable(
      record({ NoncurrentDays: one(size), NewerNoncurrentVersions: maybe(positive), StorageClass: one(tokenText) }),
      onlyClass,
    ),
  },
  (rule) => {
    if ((rule.ID?.length ?? 0) > 255)
      throw new S3Error('InvalidArgument', 'ID length should not exceed allowed limit of 255');
    if ((rule.Prefix === undefined) === (rule.Filter === undefined))
      throw malformed('Rule must hold a Filter or a Prefix.');
    if (!rule.Expiration && !rule.NoncurrentVersionExpiration && !rule.AbortIncompleteMultipartUpload) {
      throw new S3Error('InvalidRequest', 'At least one action needs to be specified in a rule');
    }
    demandFitting(rule);
  },
);
export type LifecycleRule = ReturnType<typeof lifecycleRule>;

/** An upload has no tags or size, and a delete marker has no tags. */
function demandFitting({ Filter, Expiration, AbortIncompleteMultipartUpload }: LifecycleRule): void {
  const tagged = Filter?.Tag !== undefined || (Filter?.And?.Tag.length ?? 0) > 0;
  const sized = [Filter, Filter?.And].some(
    (one) => one?.ObjectSizeGreaterThan !== undefined || one?.ObjectSizeLessThan !== undefined,
  );
  if (AbortIncompleteMultipartUpload && tagged)
    throw new S3Error('InvalidRequest', 'AbortIncompleteMultipartUpload cannot be specified with Tags.');
  if (AbortIncompleteMultipartUpload && sized)
    throw new S3Error('InvalidRequest', 'AbortIncompleteMultipartUpload cannot be specified with Object Size.');
  if (Expiration?.ExpiredObjectDeleteMarker !== undefined && tagged)
    throw new S3Error('InvalidRequest', 'ExpiredObjectDeleteMarker cannot be specified with Tags.');
}

export const lifecycleConfiguration = documentOf(
  'LifecycleConfiguration',
  record(
    {
      Rule: many((node: Node) => ({ node, rule: lifecycleRule(node) }), 1, 1000),
    },
    ({ Rule }) => {
      const ids = Rule.flatMap(({ rule }) => rule.ID ?? []);
      if (new Set(ids).size < ids.length)
        throw new S3Error('InvalidArgument', 'Rule ID must be unique. Found same ID for more than one rule');
    },
  ),
  2 * KiB * KiB,
);
