import { aboutOf } from './about.ts';
import { sendDocument, headerOf, type S3Call } from './call.ts';
import { checksumElements, type Checksums } from './checksums.ts';
import { versionOf } from './conditions.ts';
import { S3Error } from './errors.ts';
import { findObject } from './finding.ts';
import { allow } from './rights.ts';
import { elements, type Elements, type Xml } from './xml.ts';

const known = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'];

/** GetObjectAttributes. */
export async function getAttributes(call: S3Call): Promise<void> {
  const version = versionOf(call);
  const { object, bucket } = await findObject(call, 'GetObjectAttributes', version);
  // S3 requires both permissions.
  await allow(call, version ? 'GetObjectVersion' : 'GetObject', { object, version });
  const asked = (headerOf(call, 'x-amz-object-attributes') ?? '').split(',').map((name) => name.trim());
  if (asked.some((name) => !known.includes(name)))
    throw new S3Error('InvalidArgument', 'Invalid attribute name specified.');
  const about = aboutOf(object);
  const found: Record<string, Elements[string]> = {};
  if (asked.includes('ETag')) found['ETag'] = object.content!.etag;
  if (asked.includes('Checksum')) found['Checksum'] = checksumOf(about.checksums, about.checksumType);
  if (asked.includes('ObjectParts')) found['ObjectParts'] = partsOf(call, about.parts);
  if (asked.includes('StorageClass')) found['StorageClass'] = 'STANDARD';
  if (asked.includes('ObjectSize')) found['ObjectSize'] = object.content!.size;
  sendDocument(call, 'GetObjectAttributesResponse', found, {
    'Last-Modified': new Date(object.createdAt).toUTCString(),
    ...(bucket.versioning === 'off' ? {} : { 'x-amz-version-id': object.versionId ?? 'null' }),
  });
}

/** A composite checksum keeps its part count here, as in other responses: ceph/s3-tests compare them. */
function checksumOf(checksums: Checksums, type: string | undefined): Xml | undefined {
  return Object.keys(checksums).length === 0 ? undefined : elements(checksumElements(checksums, type));
}

function partsOf(call: S3Call, parts: ReturnType<typeof aboutOf>['parts']): Xml | undefined {
  if (!parts) return undefined;
  const number = (name: string, otherwise: number): number => {
    const text = headerOf(call, name);
    if (text !== undefined && !/^\d{1,9}$/.test(text)) throw new S3Error('InvalidArgument', `${name} must be a number`);
    return text === undefined ? otherwise : Number(text);
  };
  const max = Math.min(number('x-amz-max-parts', 1000), 1000);
  const marker = number('x-amz-part-number-marker', 0);
  const behind = parts.filter((part) => part.number > marker);
  const page = behind.slice(0, max);
  return elements({
    PartsCount: parts.length,
    PartNumberMarker: marker,
    NextPartNumberMarker: page.at(-1)?.number ?? 0,
    MaxParts: max,
    IsTruncated: behind.length > max,
    Part: page.map((part) => {
      const { ChecksumType: _, ...checksums } = checksumElements(part.checksums, undefined);
      return elements({ PartNumber: part.number, Size: part.size, ...checksums });
    }),
  });
}
