/** Tags of objects and buckets. */
import { isStorable } from '../../kit/text.ts';
import { answer, headerOf, nothing, readDocument, type Call } from './call.ts';
import { aboutOf } from './about.ts';
import { versionOf } from './conditions.ts';
import { S3Error } from './errors.ts';
import { allow, refuseEarly, settingOf } from './rights.ts';
import { changeVersion, findObject } from './finding.ts';
import { elements, malformed, type Element, type Xml } from './xml.ts';

export type Tags = Readonly<Record<string, string>>;

const mostOfObject = 10;
const mostOfBucket = 50;

/** The tags that a header brings: `a=1&b=2`. @throws S3Error `InvalidTag`, `InvalidArgument` */
export function tagsFromHeader(field: string | undefined): Tags | undefined {
  if (field === undefined) return undefined;
  const pairs = field === '' ? [] : field.split('&').map((pair) => {
    const [name = '', ...value] = pair.split('=');
    return [decodePart(name), decodePart(value.join('='))] as const;
  });
  return demandTags(pairs, mostOfObject);
}

function decodePart(text: string): string {
  try {
    const decoded = decodeURIComponent(text.replaceAll('+', ' '));
    if (isStorable(decoded)) return decoded;
  } catch {
    // Said below.
  }
  throw new S3Error('InvalidArgument', 'The header x-amz-tagging is not URL-encoded, or has U+0000.');
}

export function tagsFrom(document: Element, most = mostOfObject): Tags {
  const set = document.one('TagSet');
  if (!set) throw malformed();
  return demandTags(set.all('Tag').map((tag) => {
    const [key, value] = [tag.value('Key'), tag.value('Value')];
    if (key === undefined || value === undefined) throw malformed();
    return [key, value] as const;
  }), most);
}

function demandTags(pairs: readonly (readonly [string, string])[], most: number): Tags {
  if (pairs.length > most) throw new S3Error(most === mostOfObject ? 'InvalidTag' : 'InvalidTag', `There may be at most ${most} tags`);
  const tags = Object.fromEntries(pairs);
  if (Object.keys(tags).length !== pairs.length) throw new S3Error('InvalidTag', 'Cannot provide multiple Tags with the same key');
  for (const [key, value] of pairs) {
    if (key === '' || key.length > 128 || value.length > 256) throw new S3Error('InvalidTag', 'A tag\'s key has 1 to 128 characters, and its value at most 256');
  }
  return tags;
}

function render(tags: Tags): { TagSet: Xml } {
  return { TagSet: elements({ Tag: Object.entries(tags).toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => elements({ Key: key, Value: value })) }) };
}

export async function getObjectTagging(call: Call): Promise<void> {
  const { object } = await findObject(call, 'GetObjectTagging', versionOf(call));
  answer(call, 'Tagging', render(aboutOf(object).tags ?? {}), object.versionId === null ? {} : { 'x-amz-version-id': object.versionId });
}

export async function putObjectTagging(call: Call): Promise<void> {
  await refuseEarly(call, () => findObject(call, 'PutObjectTagging', versionOf(call)));
  const tags = tagsFrom(await readDocument(call, 'Tagging'));
  const { object } = await changeVersion(
    call, () => findObject(call, 'PutObjectTagging', versionOf(call), { tags }),
    (found) => call.core.objects.describe(found.as, found.object, 'tags', JSON.stringify(tags)),
  );
  nothing(call, 200, object.versionId === null ? {} : { 'x-amz-version-id': object.versionId });
}

export async function deleteObjectTagging(call: Call): Promise<void> {
  await changeVersion(
    call, () => findObject(call, 'DeleteObjectTagging', versionOf(call)),
    ({ object, as }) => call.core.objects.describe(as, object, 'tags', null),
  );
  nothing(call, 204);
}

export async function getBucketTagging(call: Call): Promise<void> {
  const { bucket } = await allow(call, 'GetBucketTagging');
  const tags = settingOf<Tags>(bucket, 'tags');
  if (!tags) throw new S3Error('NoSuchTagSet', 'The TagSet does not exist');
  answer(call, 'Tagging', render(tags));
}

export async function putBucketTagging(call: Call): Promise<void> {
  const { bucket, as } = await allow(call, 'PutBucketTagging');
  const tags = tagsFrom(await readDocument(call, 'Tagging'), mostOfBucket);
  await call.core.buckets.change(as, bucket.name, { set: { tags: JSON.stringify(tags) } });
  nothing(call, 204);
}

export async function deleteBucketTagging(call: Call): Promise<void> {
  const { bucket, as } = await allow(call, 'PutBucketTagging');
  await call.core.buckets.change(as, bucket.name, { set: { tags: null } });
  nothing(call, 204);
}

/** The tags that a request brings in its headers. */
export function tagsOf(call: Call): Tags | undefined {
  return tagsFromHeader(headerOf(call, 'x-amz-tagging'));
}
