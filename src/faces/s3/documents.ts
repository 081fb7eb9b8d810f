/** Schemas of all S3 documents except lifecycle rules. */
import { S3Error } from './errors.ts';
import {
  anyTime,
  anything,
  boolean,
  choice,
  dateTime,
  documentOf,
  etag,
  integer,
  KiB,
  many,
  maybe,
  one,
  record,
  text,
  tokenText,
  unavailable,
  type Reader,
} from './schema.ts';
import { malformed, type Node } from './xml.ts';

// Objects.

const checksums = {
  ChecksumCRC32: maybe(tokenText),
  ChecksumCRC32C: maybe(tokenText),
  ChecksumCRC64NVME: maybe(tokenText),
  ChecksumSHA1: maybe(tokenText),
  ChecksumSHA256: maybe(tokenText),
  ChecksumSHA512: maybe(tokenText),
  ChecksumMD5: maybe(tokenText),
  ChecksumXXHASH64: maybe(tokenText),
  ChecksumXXHASH3: maybe(tokenText),
  ChecksumXXHASH128: maybe(tokenText),
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
  VersionId: maybe(tokenText),
  ETag: maybe(tokenText),
  LastModifiedTime: maybe(anyTime),
  Size: maybe(integer),
});
export type ObjectToDelete = ReturnType<typeof objectToDelete>;

/** A thousand keys of a thousand bytes, escaped. */
export const deletion = documentOf(
  'Delete',
  record({ Object: many(objectToDelete, 1, 1000), Quiet: maybe(boolean) }),
  8 * KiB * KiB,
);

export const tag = record({ Key: one(text), Value: one(text) });
const tagSet = record({ Tag: many(tag) });

export const tagging = documentOf('Tagging', record({ TagSet: one(tagSet) }));

const modes = ['GOVERNANCE', 'COMPLIANCE'] as const;
const eventHold = 'This server has no event holds.';

/** An empty document removes the retention. */
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
        throw malformed('Mode and RetainUntilDate must both be supplied.');
    },
  ),
);

export const legalHold = documentOf('LegalHold', record({ Status: one(choice('ON', 'OFF')) }));

// Access.

const grantee: Reader<{ readonly kind: 'id' | 'uri' | 'emailaddress'; readonly value: string }> = (node) => {
  const { ID, URI, EmailAddress } = record({
    ID: maybe(tokenText),
    URI: maybe(tokenText),
    EmailAddress: maybe(tokenText),
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
    Owner: one(record({ ID: one(tokenText), DisplayName: maybe(text) })),
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
    LocationConstraint: maybe(tokenText),
    Tags: maybe(tagSet),
    Location: unavailable(record({ Name: maybe(text), Type: maybe(tokenText) }), directory),
    Bucket: unavailable(record({ DataRedundancy: maybe(tokenText), Type: maybe(tokenText) }), directory),
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
  // S3's limit of a hundred years.
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
          AllowedOrigin: many(tokenText, 1),
          AllowedMethod: many(tokenText, 1),
          AllowedHeader: many(tokenText),
          ExposeHeader: many(tokenText),
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
