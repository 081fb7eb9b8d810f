/**
 * Every document that S3 takes, as a schema. An element that the schema does not name, that comes more often than it
 * says, or that is missing is refused: a document that is read in part would be done in part.
 */
import { S3Error } from './errors.ts';
import { malformed, parse, type Node } from './xml.ts';

/** Reads an element. @throws S3Error for one that is not valid. */
type Reader<T> = (node: Node) => T;

/** Reads all children of one name. */
interface Field<T> {
  readonly read: (found: readonly Node[]) => T;
}

type Fields = Readonly<Record<string, Field<unknown>>>;
type Read<F extends Fields> = { readonly [Name in keyof F]: F[Name] extends Field<infer T> ? T : never };

/** A kind of document. */
export interface Document<T> {
  readonly root: string;
  /** Bytes that it may have. */
  readonly size: number;
  readonly read: Reader<T>;
}

/** What a document says. @throws S3Error `MalformedXML`, or what else S3 says of a value. */
export function readAs<T>({ root, read }: Document<T>, text: string): T {
  const node = parse(text);
  if (node.name !== root) throw malformed(`The document must be a ${root}.`);
  return read(node);
}

const KiB = 1024;

function documentOf<T>(root: string, read: Reader<T>, size = 64 * KiB): Document<T> {
  return { root, size, read };
}

/** An element with children, and nothing else. */
function record<F extends Fields>(fields: F, check?: (value: Read<F>) => void): Reader<Read<F>> {
  return (node) => {
    if (node.text.trim() !== '') throw malformed(`${node.name} must not hold text.`);
    const stray = node.children.find(({ name }) => !Object.hasOwn(fields, name));
    if (stray) throw malformed(`${node.name} must not hold ${stray.name}.`);
    const value = Object.fromEntries(
      Object.entries(fields).map(([name, { read }]) => {
        try {
          return [name, read(node.children.filter((child) => child.name === name))] as const;
        } catch (error) {
          throw error instanceof Occurrence ? malformed(`${node.name} must hold ${error.message} ${name}.`) : error;
        }
      }),
    ) as Read<F>;
    check?.(value);
    return value;
  };
}

/** Too many, or too few. */
class Occurrence extends Error {}

function one<T>(read: Reader<T>): Field<T> {
  return {
    read: ([first, ...more]) => {
      if (!first || more.length > 0) throw new Occurrence('one');
      return read(first);
    },
  };
}

function maybe<T>(read: Reader<T>): Field<T | undefined> {
  return {
    read: ([first, ...more]) => {
      if (more.length > 0) throw new Occurrence('at most one');
      return first && read(first);
    },
  };
}

function many<T>(read: Reader<T>, least = 0, most = Infinity): Field<T[]> {
  return {
    read: (found) => {
      if (found.length < least || found.length > most)
        throw new Occurrence(found.length < least ? `at least ${least}` : `at most ${most}`);
      return found.map(read);
    },
  };
}

/** What S3 has and this server has not. It is read all the same, so that nonsense is called so. */
function unavailable(read: Reader<unknown>, why: string): Field<undefined> {
  return {
    read: (found) => {
      for (const node of found) read(node);
      if (found.length > 0) throw new S3Error('NotImplemented', why);
      return undefined;
    },
  };
}

/** A value as it was written. */
const text: Reader<string> = (node) => {
  if (node.children.length > 0) throw malformed(`${node.name} must hold text alone.`);
  return node.text;
};

/** A value in which space around it means nothing. */
const token: Reader<string> = (node) => text(node).trim();

const anything: Reader<undefined> = () => undefined;

/** xs:boolean */
const boolean: Reader<boolean> = (node) => {
  const value = token(node);
  if (value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  throw malformed(`${node.name} must be true or false.`);
};

/** xs:int */
const integer: Reader<number> = (node) => {
  const value = token(node);
  const number = /^[+-]?\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw malformed(`${node.name} must be an integer.`);
  return number;
};

function choice<const T extends string>(...values: readonly T[]): Reader<T> {
  return (node) => {
    const value = token(node);
    const found = values.find((each) => each === value);
    if (found === undefined) throw malformed(`${node.name} must be one of ${values.join(', ')}.`);
    return found;
  };
}

/** xs:dateTime, as milliseconds since the epoch. */
const dateTime: Reader<number> = (node) => {
  const at = timeOf(token(node));
  if (at === undefined) throw malformed(`${node.name} must be a time in ISO 8601 format.`);
  return at;
};

/** Milliseconds since the epoch; undefined for what is no time of ISO 8601 with a zone. */
export function timeOf(value: string): number | undefined {
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/.test(value)
    ? Date.parse(value)
    : Number.NaN;
  return Number.isNaN(at) ? undefined : at;
}

/** A time as HTTP or ISO 8601 writes it. */
const anyTime: Reader<number> = (node) => {
  const value = token(node);
  const at =
    timeOf(value) ??
    (/^[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(value) ? Date.parse(value) : Number.NaN);
  if (Number.isNaN(at)) throw malformed(`${node.name} must be a time.`);
  return at;
};

/** A quoted or unquoted tag. */
const etag: Reader<string> = (node) => token(node).replaceAll('"', '');

// Objects.

const checksums = {
  ChecksumCRC32: maybe(token),
  ChecksumCRC32C: maybe(token),
  ChecksumCRC64NVME: maybe(token),
  ChecksumSHA1: maybe(token),
  ChecksumSHA256: maybe(token),
  ChecksumSHA512: maybe(token),
  ChecksumMD5: maybe(token),
  ChecksumXXHASH64: maybe(token),
  ChecksumXXHASH3: maybe(token),
  ChecksumXXHASH128: maybe(token),
};

const partNumber: Reader<number> = (node) => {
  const number = integer(node);
  if (number < 1)
    throw new S3Error('InvalidArgument', 'PartNumber must be >= 1', {
      ArgumentName: 'partNumber',
      ArgumentValue: String(number),
    });
  return number;
};

const completedPart = record({ PartNumber: one(partNumber), ETag: one(etag), ...checksums });
export type CompletedPart = ReturnType<typeof completedPart>;

export const completeMultipartUpload = documentOf(
  'CompleteMultipartUpload',
  record({ Part: many(completedPart, 1, 10_000) }),
  8 * KiB * KiB,
);

const objectToDelete = record({
  Key: one((node: Node) => {
    const key = text(node);
    if (key === '') throw malformed('Key must not be empty.');
    return key;
  }),
  VersionId: maybe(token),
  ETag: maybe(token),
  LastModifiedTime: maybe(anyTime),
  Size: maybe(integer),
});
export type ObjectToDelete = ReturnType<typeof objectToDelete>;

/** A thousand keys, of a thousand bytes each, escaped. */
export const deletion = documentOf(
  'Delete',
  record({ Object: many(objectToDelete, 1, 1000), Quiet: maybe(boolean) }),
  8 * KiB * KiB,
);

const tag = record({ Key: one(text), Value: one(text) });
const tagSet = record({ Tag: many(tag) });

export const tagging = documentOf('Tagging', record({ TagSet: one(tagSet) }));

const modes = ['GOVERNANCE', 'COMPLIANCE'] as const;
const eventHold = 'This server has no event holds.';

/** Without both members a retention is taken off. */
export const retention = documentOf(
  'Retention',
  record(
    {
      Mode: maybe(choice(...modes)),
      RetainUntilDate: maybe(dateTime),
      EventHold: unavailable(anything, eventHold),
      EventHoldDuration: unavailable(anything, eventHold),
    },
    ({ Mode, RetainUntilDate }) => {
      if ((Mode === undefined) !== (RetainUntilDate === undefined))
        throw malformed('Mode and RetainUntilDate belong together.');
    },
  ),
);

export const legalHold = documentOf('LegalHold', record({ Status: one(choice('ON', 'OFF')) }));

// Access.

const grantee: Reader<{ readonly kind: 'id' | 'uri' | 'emailaddress'; readonly value: string }> = (node) => {
  const { ID, URI, EmailAddress } = record({
    ID: maybe(token),
    URI: maybe(token),
    EmailAddress: maybe(token),
    DisplayName: maybe(text),
  })(node);
  const kinds = {
    CanonicalUser: ['id', ID],
    Group: ['uri', URI],
    AmazonCustomerByEmail: ['emailaddress', EmailAddress],
  } as const;
  const kind = Object.entries(kinds).find(([name]) => name === node.type?.split(':').at(-1));
  const given = [ID, URI, EmailAddress].filter((value) => value !== undefined);
  const [, [name, value]] = kind ?? [undefined, [undefined, undefined]];
  if (name === undefined || value === undefined || given.length !== 1)
    throw malformed('Grantee must have an xsi:type, and the one member that goes with it.');
  return { kind: name, value };
};

export const accessControlPolicy = documentOf(
  'AccessControlPolicy',
  record({
    Owner: one(record({ ID: one(token), DisplayName: maybe(text) })),
    AccessControlList: one(
      record({
        Grant: many(
          record({
            Grantee: one(grantee),
            Permission: one(choice('READ', 'WRITE', 'READ_ACP', 'WRITE_ACP', 'FULL_CONTROL')),
          }),
          0,
          100,
        ),
      }),
    ),
  }),
);

export const ownerships = ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'] as const;

export const ownershipControls = documentOf(
  'OwnershipControls',
  record({ Rule: one(record({ ObjectOwnership: one(choice(...ownerships)) })) }),
);

export const publicAccessBlock = documentOf(
  'PublicAccessBlockConfiguration',
  record({
    BlockPublicAcls: maybe(boolean),
    IgnorePublicAcls: maybe(boolean),
    BlockPublicPolicy: maybe(boolean),
    RestrictPublicBuckets: maybe(boolean),
  }),
);

// Buckets.

const directory = 'This server has no directory buckets.';

export const createBucketConfiguration = documentOf(
  'CreateBucketConfiguration',
  record({
    LocationConstraint: maybe(token),
    Tags: maybe(tagSet),
    Location: unavailable(record({ Name: maybe(text), Type: maybe(token) }), directory),
    Bucket: unavailable(record({ DataRedundancy: maybe(token), Type: maybe(token) }), directory),
  }),
);

export const versioningConfiguration = documentOf(
  'VersioningConfiguration',
  record(
    {
      Status: one(choice('Enabled', 'Suspended')),
      MfaDelete: maybe(choice('Enabled', 'Disabled')),
    },
    ({ MfaDelete }) => {
      if (MfaDelete === 'Enabled') throw new S3Error('NotImplemented', 'This server has no MFA delete.');
    },
  ),
);

const period = (node: Node): number => {
  const length = integer(node);
  if (length <= 0)
    throw new S3Error('InvalidRetentionPeriod', 'Default retention period must be a positive integer value.');
  // A hundred years, as S3 has it.
  if (length > (node.name === 'Days' ? 36_500 : 100))
    throw new S3Error('InvalidRetentionPeriod', 'Default retention period too large.');
  return length;
};

const defaultRetention = record(
  {
    Mode: one(choice(...modes)),
    Days: maybe(period),
    Years: maybe(period),
    DefaultEventHold: unavailable(anything, eventHold),
  },
  ({ Days, Years }) => {
    if ((Days === undefined) === (Years === undefined)) throw malformed('DefaultRetention must hold Days or Years.');
  },
);

export const objectLockConfiguration = documentOf(
  'ObjectLockConfiguration',
  record({
    ObjectLockEnabled: one(choice('Enabled')),
    Rule: maybe(record({ DefaultRetention: one(defaultRetention) })),
  }),
);

export const corsConfiguration = documentOf(
  'CORSConfiguration',
  record({
    CORSRule: many(
      record(
        {
          ID: maybe(text),
          AllowedOrigin: many(token, 1),
          AllowedMethod: many(token, 1),
          AllowedHeader: many(token),
          ExposeHeader: many(token),
          MaxAgeSeconds: maybe(integer),
        },
        ({ MaxAgeSeconds }) => {
          if (MaxAgeSeconds !== undefined && (MaxAgeSeconds < 0 || MaxAgeSeconds > 2 ** 31 - 1))
            throw malformed('MaxAgeSeconds must be a number of seconds.');
        },
      ),
      1,
      100,
    ),
  }),
);

// Lifecycle rules. They are kept as they came, and read again by the same schema before they are done.

const positive = (node: Node): number => {
  const number = integer(node);
  if (number <= 0)
    throw new S3Error('InvalidArgument', `'${node.name}' must be a positive integer`, {
      ArgumentName: node.name,
      ArgumentValue: String(number),
    });
  return number;
};

const size = (node: Node): number => {
  const number = integer(node);
  if (number < 0) throw malformed(`${node.name} must be a number of bytes.`);
  return number;
};

/** A day, as milliseconds since the epoch. */
const midnight: Reader<number> = (node) => {
  const value = token(node);
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
    // Of an And that says nothing, S3 does not take it that every object is meant.
    const said =
      [Prefix, ObjectSizeGreaterThan, ObjectSizeLessThan].filter((value) => value !== undefined).length + Tag.length;
    if (said < 2) throw malformed('And must hold at least two conditions.');
    if (new Set(Tag.map(({ Key }) => Key)).size < Tag.length)
      throw new S3Error('InvalidRequest', 'Duplicate Tag Keys are not allowed.');
  },
);

/** S3 takes one condition outside of an And. Several are taken here, and all of them must hold. */
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
    Transition: unavailable(record({ Days: maybe(size), Date: maybe(midnight), StorageClass: one(token) }), onlyClass),
    NoncurrentVersionTransition: unavailable(
      record({ NoncurrentDays: one(size), NewerNoncurrentVersions: maybe(positive), StorageClass: one(token) }),
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
    const tagged = rule.Filter?.Tag !== undefined || (rule.Filter?.And?.Tag.length ?? 0) > 0;
    const sized = [rule.Filter, rule.Filter?.And].some(
      (one) => one?.ObjectSizeGreaterThan !== undefined || one?.ObjectSizeLessThan !== undefined,
    );
    // An upload has neither tags nor a size, and a delete marker has none.
    if (rule.AbortIncompleteMultipartUpload && tagged)
      throw new S3Error('InvalidRequest', 'AbortIncompleteMultipartUpload cannot be specified with Tags.');
    if (rule.AbortIncompleteMultipartUpload && sized)
      throw new S3Error('InvalidRequest', 'AbortIncompleteMultipartUpload cannot be specified with Object Size.');
    if (rule.Expiration?.ExpiredObjectDeleteMarker !== undefined && tagged)
      throw new S3Error('InvalidRequest', 'ExpiredObjectDeleteMarker cannot be specified with Tags.');
  },
);
export type LifecycleRule = ReturnType<typeof lifecycleRule>;

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
