import { keeping, wholeBody } from '../../core/bytes/ingest.ts';
import type { Core } from '../../core/index.ts';
import type { Multipart, Part, Retention } from '../../core/records.ts';
import type { Digest } from '../../kit/digest.ts';
import { isId } from '../../kit/ids.ts';
import type { About } from './about.ts';
import { ownerElement } from './acl.ts';
import { sendDocument, headerOf, sendEmpty, payloadOf, type S3Call } from './call.ts';
import {
  algorithmNamed,
  algorithmOf,
  checksumElements,
  checksumHeaders,
  checksumOf,
  etagOf,
  refuseChecksums,
  typeNamed,
  usualChecksum,
  type Checksums,
} from './checksums.ts';
import { invalidArgument, S3Error } from './errors.ts';
import { encoderOf, maxOf, roll, wishOf } from './listing.ts';
import { newObject } from './new-object.ts';
import { copySourceOf } from './copying.ts';
import { allow, type AllowedTo } from './rights.ts';
import { elements, type Xml } from './xml.ts';

/** The metadata of CreateMultipartUpload. */
export interface MultipartMetadata extends Omit<About, 'checksums' | 'parts' | 'checksumType'> {
  /** The algorithm of the part checksums. */
  readonly algorithm?: string;
  readonly checksumType?: string;
  /** The requested object lock. */
  readonly retention?: Retention;
  readonly held?: boolean;
}

/** The metadata of a part. */
export interface PartAbout {
  readonly checksums: Checksums;
  /** A CRC for the object's checksum if the upload names no algorithm; it is not reported to clients. */
  readonly usual?: string;
}

export const mostParts = 10_000;

export async function createMultipart(call: S3Call): Promise<void> {
  const { core, bucket, key } = call;
  const { allowed, about, lock } = await newObject(call);
  const algorithm = algorithmNamed(headerOf(call, 'x-amz-checksum-algorithm'));
  const type = typeNamed(headerOf(call, 'x-amz-checksum-type'), algorithm);
  refuseChecksums((header) => headerOf(call, header));
  const begun: MultipartMetadata = {
    ...about,
    ...(lock.retention ? { retention: lock.retention } : {}),
    ...(lock.held === null ? {} : { held: lock.held }),
    ...(algorithm === undefined || type === undefined ? {} : { algorithm, checksumType: type }),
  };
  const { id } = await core.multipart.begin(allowed, key, JSON.stringify(begun));
  const headers: Record<string, string> =
    algorithm === undefined || type === undefined
      ? {}
      : { 'x-amz-checksum-algorithm': algorithm.toUpperCase(), 'x-amz-checksum-type': type };
  sendDocument(call, 'InitiateMultipartUploadResult', { Bucket: bucket, Key: key, UploadId: id }, headers);
}

export async function uploadPart(call: S3Call): Promise<void> {
  const { multipart, allowed } = await findMultipart(call, 'PutObject');
  const number = numberOf(call);
  const begun = JSON.parse(multipart.about) as MultipartMetadata;
  demandType(call, begun, 'part upload');
  const { body, promised, verify } = payloadOf(call, {
    keep: begun.checksumType === 'FULL_OBJECT' ? begun.algorithm : undefined,
  });
  demandAlgorithm(begun, promised.names[0]);
  const measure = measureOf(begun, promised.measure);
  const received = await call.core.multipart.receive(allowed, multipart, number, body, measure);
  const { etag, checksums } = await keepPart(received, begun, () => verify(received.measured));
  const { 'x-amz-checksum-type': _, ...headers } = checksumHeaders(checksums, undefined);
  sendEmpty(call, 200, { ETag: `"${etag}"`, ...headers });
}

/** @throws S3Error if a part's checksum is not of the upload's algorithm, or is missing for a composite checksum */
function demandAlgorithm({ algorithm, checksumType }: MultipartMetadata, named: string | undefined): void {
  if (algorithm === undefined || named === algorithm || (named === undefined && checksumType === 'FULL_OBJECT')) return;
  throw new S3Error(
    'InvalidRequest',
    `Checksum Type mismatch occurred, expected checksum Type: ${algorithm}, actual checksum Type: ${named ?? 'null'}`,
  );
}

/** @throws S3Error if the request's checksum type differs from the upload's */
export function demandType(call: S3Call, { checksumType = 'FULL_OBJECT' }: MultipartMetadata, request: string): void {
  const said = headerOf(call, 'x-amz-checksum-type')?.trim().toUpperCase();
  if (said === undefined || said === checksumType) return;
  throw new S3Error(
    'InvalidRequest',
    `The upload was created using the ${checksumType} checksum mode. The ${request} request must use the same checksum mode.`,
  );
}

function measureOf({ algorithm }: MultipartMetadata, measure: readonly Digest['algorithm'][]): Digest['algorithm'][] {
  return [...new Set([...measure, algorithmOf(algorithm ?? usualChecksum)])];
}

/** @param verify checks and returns the part's checksums; if it throws, the part is dropped */
function keepPart(
  received: Awaited<ReturnType<Core['multipart']['receive']>>,
  begun: MultipartMetadata,
  verify: () => Checksums,
): Promise<{ etag: string; checksums: Checksums }> {
  return keeping(received, async () => {
    const checksums = verify();
    const etag = etagOf(received.measured);
    await received.keep({ etag, about: printPart(begun, checksums, received.measured) });
    return { etag, checksums };
  });
}

function printPart({ algorithm }: MultipartMetadata, checksums: Checksums, measured: readonly Digest[]): string {
  const about: PartAbout = {
    checksums,
    ...(algorithm === undefined ? { usual: checksumOf(measured, usualChecksum) } : {}),
  };
  return JSON.stringify(about);
}

export async function uploadPartCopy(call: S3Call): Promise<void> {
  const { multipart, allowed } = await findMultipart(call, 'PutObject');
  const number = numberOf(call);
  const begun = JSON.parse(multipart.about) as MultipartMetadata;
  refuseChecksums((header) => headerOf(call, header));
  const { blob, object } = await copySourceOf(call);
  const { from, to } = rangeOf(headerOf(call, 'x-amz-copy-source-range'), blob.size);
  const reader = await call.core.objects.openForCopy(blob);
  try {
    const body = wholeBody(reader.read(from, to), to - from);
    const received = await call.core.multipart.receive(allowed, multipart, number, body, measureOf(begun, ['md5']));
    const { algorithm } = begun;
    const { etag, checksums } = await keepPart(received, begun, () =>
      algorithm === undefined ? {} : { [algorithm]: checksumOf(received.measured, algorithm) },
    );
    const { ChecksumType: _, ...told } = checksumElements(checksums, undefined);
    const headers: Record<string, string> =
      object.versionId === null ? {} : { 'x-amz-copy-source-version-id': object.versionId };
    sendDocument(
      call,
      'CopyPartResult',
      { LastModified: new Date(call.core.clock.now()).toISOString(), ETag: `"${etag}"`, ...told },
      headers,
    );
  } finally {
    await reader.close();
  }
}

function rangeOf(field: string | undefined, size: number): { from: number; to: number } {
  if (field === undefined) return { from: 0, to: size };
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(field);
  const [from, last] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || from > last)
    throw new S3Error(
      'InvalidArgument',
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
    );
  if (last >= size)
    throw new S3Error('InvalidRange', `Range specified is not valid for source object of size: ${size}`);
  return { from, to: last + 1 };
}

export function aboutPart(part: Part): PartAbout {
  return JSON.parse(part.about) as PartAbout;
}

export async function abortMultipart(call: S3Call): Promise<void> {
  const { multipart, allowed } = await findMultipart(call, 'AbortMultipartUpload');
  const begun = headerOf(call, 'x-amz-if-match-initiated-time');
  const at = begun === undefined ? undefined : Date.parse(begun);
  if (at !== undefined && Number.isNaN(at))
    throw invalidArgument('The condition must be a time.', 'x-amz-if-match-initiated-time', begun!);
  if (at !== undefined && Math.floor(at / 1000) !== Math.floor(multipart.createdAt / 1000))
    throw new S3Error('PreconditionFailed');
  await call.core.multipart.abort(allowed, multipart);
  sendEmpty(call, 204);
}

export async function listParts(call: S3Call): Promise<void> {
  const { core, bucket, key, query } = call;
  const { multipart } = await findMultipart(call, 'ListMultipartUploadParts');
  const max = maxOf(query.get('max-parts'), 'max-parts');
  const marker = maxOf(query.get('part-number-marker') ?? '0', 'part-number-marker', Infinity);
  const found = await core.multipart.parts(multipart, marker, max + 1);
  const page = found.slice(0, max);
  const owner = ownerElement((JSON.parse(multipart.about) as MultipartMetadata).owner ?? multipart.namespace);
  sendDocument(call, 'ListPartsResult', {
    Bucket: bucket,
    Key: key,
    UploadId: multipart.id,
    Initiator: owner,
    Owner: owner,
    StorageClass: 'STANDARD',
    PartNumberMarker: marker,
    NextPartNumberMarker: page.at(-1)?.number ?? 0,
    MaxParts: max,
    IsTruncated: found.length > max,
    Part: page.map((part) =>
      elements({
        PartNumber: part.number,
        LastModified: new Date(part.at).toISOString(),
        ETag: `"${part.etag}"`,
        Size: part.size,
        ...Object.fromEntries(
          Object.entries((JSON.parse(part.about) as PartAbout).checksums).map(([name, value]) => [
            `Checksum${name.toUpperCase()}`,
            value,
          ]),
        ),
      }),
    ),
  });
}

export async function listMultiparts(call: S3Call): Promise<void> {
  const { core, bucket, query } = call;
  const allowed = await allow(call, 'ListBucketMultipartUploads');
  const wish = { ...wishOf(call, 'max-uploads'), after: query.get('key-marker') || null };
  // An upload id marker without a key marker is ignored.
  const id = wish.after === null ? '' : (query.get('upload-id-marker') ?? '');
  if (id !== '' && !isId(id)) throw invalidArgument('Invalid uploadId marker', 'upload-id-marker', id);
  const { prefix, delimiter, max, after: key } = wish;
  // A key may have several uploads: continue after the last one seen, or after all of the key marker.
  let place = { key: key ?? '', id: id === '' ? behindEveryId : id };
  const page =
    max === 0
      ? { entries: [], next: undefined }
      : await roll<Multipart>(wish, async (after, limit) => {
          const behind = after === null ? null : after === place.key ? place : { key: after, id: behindEveryId };
          const found = await core.multipart.list(allowed, { prefix, behind, limit });
          const last = found.at(-1);
          if (last) place = { key: last.key, id: last.id };
          return found;
        });
  const shown = encoderOf(call);
  const { next } = page;
  sendDocument(call, 'ListMultipartUploadsResult', {
    Bucket: bucket,
    KeyMarker: shown(key ?? ''),
    UploadIdMarker: id,
    NextKeyMarker: next ? shown(next.key) : '',
    NextUploadIdMarker: next?.kind === 'object' ? next.object.id : '',
    Prefix: shown(prefix),
    Delimiter: delimiter === '' ? undefined : shown(delimiter),
    EncodingType: query.get('encoding-type'),
    MaxUploads: max,
    IsTruncated: next !== undefined,
    Upload: page.entries.flatMap((entry) => (entry.kind === 'object' ? [uploadElement(entry.object, shown)] : [])),
    CommonPrefixes: page.entries.flatMap((entry) =>
      entry.kind === 'prefix' ? [elements({ Prefix: shown(entry.key) })] : [],
    ),
  });
}

/** Sorts after every id of a key. */
const behindEveryId = '~';

function uploadElement({ key, id, about, namespace, createdAt }: Multipart, shown: (text: string) => string): Xml {
  const { owner, algorithm, checksumType } = JSON.parse(about) as MultipartMetadata;
  const by = ownerElement(owner ?? namespace);
  return elements({
    Key: shown(key),
    UploadId: id,
    Initiator: by,
    Owner: by,
    StorageClass: 'STANDARD',
    Initiated: new Date(createdAt).toISOString(),
    ChecksumAlgorithm: algorithm?.toUpperCase(),
    ChecksumType: checksumType,
  });
}

/** Actions on a multipart upload. */
type Action = 'PutObject' | 'AbortMultipartUpload' | 'ListMultipartUploadParts';

export async function findMultipart(
  call: S3Call,
  action: Action,
): Promise<{ multipart: Multipart; allowed: AllowedTo<Action> }> {
  const allowed = await allow(call, action);
  return { multipart: await call.core.multipart.get(allowed, call.key, call.query.get('uploadId') ?? ''), allowed };
}

function numberOf({ query }: S3Call): number {
  const text = query.get('partNumber') ?? '';
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > mostParts)
    throw new S3Error('InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive');
  return number;
}
