/** Tags of objects and buckets. */
import { isStorable } from '../../kit/text.ts';
import { sendDocument, headerOf, sendEmpty, readDocument, type S3Call } from './call.ts';
import { aboutOf } from './about.ts';
import { versionOf } from './conditions.ts';
import { tagging } from './documents.ts';
import { invalidArgument, S3Error } from './errors.ts';
import { allow, refuseEarly, settingOf } from './rights.ts';
import { changeVersion, findObject } from './finding.ts';
import { elements, type Xml } from './xml.ts';

export type Tags = Readonly<Record<string, string>>;

const mostOfObject = 10;
const mostOfBucket = 50;

/** Parses a tag header: `a=1&b=2`. @throws S3Error `InvalidTag`, `InvalidArgument` */
export function tagsFromHeader(field: string | undefined): Tags | undefined {
  if (field === undefined) return undefined;
  const pairs =
    field === ''
      ? []
      : field.split('&').map((pair) => {
          const [name = '', ...value] = pair.split('=');
          return [decodePart(name), decodePart(value.join('='))] as const;
        });
  if (new Set(pairs.map(([key]) => key)).size < pairs.length) throw badTagging(field);
  return demandTags(pairs, mostOfObject);
}

function badTagging(value: string): S3Error {
  return invalidArgument(
    "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
    'x-amz-tagging',
    value,
  );
}

function decodePart(text: string): string {
  try {
    const decoded = decodeURIComponent(text.replaceAll('+', ' '));
    if (isStorable(decoded)) return decoded;
  } catch {
    // Reported below.
  }
  throw badTagging(text);
}

type TagSet = ReturnType<typeof tagging.read>['TagSet'];

/** @throws S3Error `InvalidTag` */
export function objectTags(set: TagSet): Tags {
  return demandTags(
    set.Tag.map(({ Key, Value }) => [Key, Value] as const),
    mostOfObject,
  );
}

/** @throws S3Error `InvalidTag` */
export function bucketTags(set: TagSet): Tags {
  return demandTags(
    set.Tag.map(({ Key, Value }) => [Key, Value] as const),
    mostOfBucket,
  );
}

/** Letters, digits, spaces and a few symbols, in any script. */
const allowed = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

function demandTags(pairs: readonly (readonly [string, string])[], most: number): Tags {
  if (pairs.length > most) {
    throw new S3Error(
      'InvalidTag',
      most === mostOfObject ? 'Object tags cannot be greater than 10' : 'Bucket tag count cannot be greater than 50',
    );
  }
  for (const [key, value] of pairs) {
    if (key === '' || [...key].length > 128 || !allowed.test(key))
      throw new S3Error('InvalidTag', 'The TagKey you have provided is invalid', { TagKey: key });
    if ([...value].length > 256 || !allowed.test(value))
      throw new S3Error('InvalidTag', 'The TagValue you have provided is invalid', { TagKey: key, TagValue: value });
    if (/^aws:/i.test(key))
      throw new S3Error('InvalidTag', 'System tags cannot be added/updated by requester', { TagKey: key });
  }
  const names = new Set(pairs.map(([key]) => key));
  if (names.size !== pairs.length) throw new S3Error('InvalidTag', 'Cannot provide multiple Tags with the same key');
  return Object.fromEntries(pairs);
}

function render(tags: Tags): { TagSet: Xml } {
  return {
    TagSet: elements({
      Tag: Object.entries(tags)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, value]) => elements({ Key: key, Value: value })),
    }),
  };
}

export async function getObjectTagging(call: S3Call): Promise<void> {
  const { object } = await findObject(call, 'GetObjectTagging', versionOf(call));
  sendDocument(
    call,
    'Tagging',
    render(aboutOf(object).tags ?? {}),
    object.versionId === null ? {} : { 'x-amz-version-id': object.versionId },
  );
}

export async function putObjectTagging(call: S3Call): Promise<void> {
  await refuseEarly(call, () => findObject(call, 'PutObjectTagging', versionOf(call)));
  const tags = objectTags((await readDocument(call, tagging)).TagSet);
  const { object } = await changeVersion(
    call,
    () => findObject(call, 'PutObjectTagging', versionOf(call), { tags }),
    (found) => call.core.objects.describe(found, found.object, 'tags', JSON.stringify(tags)),
  );
  sendEmpty(call, 200, object.versionId === null ? {} : { 'x-amz-version-id': object.versionId });
}

export async function deleteObjectTagging(call: S3Call): Promise<void> {
  await changeVersion(
    call,
    () => findObject(call, 'DeleteObjectTagging', versionOf(call)),
    (found) => call.core.objects.describe(found, found.object, 'tags', null),
  );
  sendEmpty(call, 204);
}

export async function getBucketTagging(call: S3Call): Promise<void> {
  const { bucket } = await allow(call, 'GetBucketTagging');
  const tags = settingOf<Tags>(bucket, 'tags');
  if (!tags) throw new S3Error('NoSuchTagSet', 'The TagSet does not exist');
  sendDocument(call, 'Tagging', render(tags));
}

export async function putBucketTagging(call: S3Call): Promise<void> {
  const allowed = await allow(call, 'PutBucketTagging');
  const tags = bucketTags((await readDocument(call, tagging)).TagSet);
  await call.core.buckets.change(allowed, { set: { tags: JSON.stringify(tags) } });
  sendEmpty(call, 204);
}

export async function deleteBucketTagging(call: S3Call): Promise<void> {
  await call.core.buckets.change(await allow(call, 'PutBucketTagging'), { set: { tags: null } });
  sendEmpty(call, 204);
}

/** The tags in a request's headers. */
export function tagsOf(call: S3Call): Tags | undefined {
  return tagsFromHeader(headerOf(call, 'x-amz-tagging'));
}
