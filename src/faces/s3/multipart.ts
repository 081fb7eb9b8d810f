import { createHash } from 'node:crypto';
import { wholeBody } from '../../core/ingest.ts';
import type { Multipart, Part, Principal } from '../../core/model.ts';
import { newHash } from '../../core/hashes.ts';
import type { Algorithm } from '../../kit/digest.ts';
import { combineCrc, crcs } from '../../kit/combine-crc.ts';
import { printAbout, type About } from './about.ts';
import { person } from './acl.ts';
import { answer, headerOf, nothing, payloadOf, readDocument, type Call } from './call.ts';
import { algorithmNamed, base64Of, checksumHeaders, etagOf, type Checksums } from './checksums.ts';
import { conditionsOf } from './conditions.ts';
import { S3Error } from './errors.ts';
import { encoderOf, maxOf } from './listing.ts';
import { newObject } from './new-object.ts';
import { sourceOf } from './objects.ts';
import { allow, type Action } from './rights.ts';
import { elements, malformed, type Element } from './xml.ts';

/** What was said when it began. */
interface Begun extends Omit<About, 'checksums' | 'parts' | 'checksumType'> {
  /** The algorithm of the parts' checksums. */
  readonly algorithm?: string;
  readonly checksumType?: string;
}

/** What came with a part. */
interface PartAbout {
  readonly checksums: Checksums;
}

const mostParts = 10_000;
const leastPart = 5 * 1024 * 1024;

export async function createMultipart(call: Call): Promise<void> {
  const { core, bucket, key } = call;
  const { as, about } = await newObject(call);
  const algorithm = algorithmNamed(headerOf(call, 'x-amz-checksum-algorithm'));
  const type = headerOf(call, 'x-amz-checksum-type')?.toUpperCase() ?? (algorithm === 'crc64nvme' ? 'FULL_OBJECT' : 'COMPOSITE');
  if (algorithm === 'crc64nvme' && type === 'COMPOSITE' || (type === 'FULL_OBJECT' && (algorithm === 'sha1' || algorithm === 'sha256'))) {
    throw new S3Error('InvalidRequest', `The ${type} checksum type cannot be used with the ${algorithm} checksum algorithm.`);
  }
  const begun: Begun = { ...about, ...(algorithm === undefined ? {} : { algorithm, checksumType: type }) };
  const { id } = await core.parts.begin(as, bucket, key, JSON.stringify(begun));
  const headers: Record<string, string> = algorithm === undefined ? {} : { 'x-amz-checksum-algorithm': algorithm.toUpperCase(), 'x-amz-checksum-type': type };
  answer(call, 'InitiateMultipartUploadResult', { Bucket: bucket, Key: key, UploadId: id }, headers);
}

export async function uploadPart(call: Call): Promise<void> {
  const { multipart, as } = await find(call, 'PutObject');
  const number = numberOf(call);
  const { body, promised, verify } = payloadOf(call);
  let checksums: Checksums = {};
  const { etag } = await call.core.parts.put(as, multipart, number, body, {
    measure: promised.measure,
    describe: (measured) => {
      checksums = verify(measured);
      return { etag: etagOf(measured), about: JSON.stringify({ checksums } satisfies PartAbout) };
    },
  });
  const { 'x-amz-checksum-type': _, ...headers } = checksumHeaders(checksums, undefined);
  nothing(call, 200, { ETag: `"${etag}"`, ...headers });
}

export async function uploadPartCopy(call: Call): Promise<void> {
  const { multipart, as } = await find(call, 'PutObject');
  const number = numberOf(call);
  const { blob, object } = await sourceOf(call);
  const { from, to } = rangeOf(headerOf(call, 'x-amz-copy-source-range'), blob.size);
  const reader = await call.core.objects.open(blob);
  try {
    const { etag } = await call.core.parts.put(as, multipart, number, wholeBody(reader.read(from, to), to - from), {
      measure: ['md5'],
      describe: (measured) => ({ etag: etagOf(measured), about: JSON.stringify({ checksums: {} } satisfies PartAbout) }),
    });
    const headers: Record<string, string> = object.versionId === null ? {} : { 'x-amz-copy-source-version-id': object.versionId };
    answer(call, 'CopyPartResult', { LastModified: new Date(call.core.clock.now()).toISOString(), ETag: `"${etag}"` }, headers);
  } finally {
    await reader.close();
  }
}

function rangeOf(field: string | undefined, size: number): { from: number; to: number } {
  if (field === undefined) return { from: 0, to: size };
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(field);
  const [from, last] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || from > last) throw new S3Error('InvalidArgument', 'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy');
  if (last >= size) throw new S3Error('InvalidRange', `Range specified is not valid for source object of size: ${size}`);
  return { from, to: last + 1 };
}

export async function completeMultipart(call: Call): Promise<void> {
  const { core, bucket, key, query } = call;
  const { as } = await allow(call, 'PutObject');
  // Checksums in the headers are of the object, not of this document.
  const wish = await readDocument(call, 'CompleteMultipartUpload', (name) => (name.startsWith('x-amz-checksum-') ? undefined : headerOf(call, name)));
  const before = await core.parts.outcome(as, bucket, key, query.get('uploadId') ?? '');
  // The answer was lost, and here it is again.
  if (before !== undefined) return tellCompleted(call, JSON.parse(before) as Completed);
  const { multipart } = await find(call, 'PutObject');
  const begun = JSON.parse(multipart.about) as Begun;
  const parts = await chosenParts(call, multipart, wish);
  const etag = `${createHash('md5').update(Buffer.concat(parts.map((part) => Buffer.from(part.etag, 'hex')))).digest('hex')}-${parts.length}`;
  const checksums = checksumsOf(begun, parts);
  demandWhole(call, checksums);
  const { algorithm: _, ...said } = begun;
  const about: About = { ...said, checksums, parts: parts.map((part) => ({ number: part.number, size: part.size, checksums: aboutPart(part).checksums })) };
  const completed = { etag, checksums, checksumType: begun.checksumType ?? null };
  const { versionId } = await core.parts.complete(as, multipart, parts, { bucket, key, conditions: conditionsOf(call) }, { etag, about: printAbout(about) },
    (put) => JSON.stringify({ ...completed, versionId: put.versionId } satisfies Completed));
  tellCompleted(call, { ...completed, versionId });
}

interface Completed {
  readonly etag: string;
  readonly versionId: string | null;
  readonly checksums: Checksums;
  readonly checksumType: string | null;
}

function tellCompleted(call: Call, { etag, versionId, checksums, checksumType }: Completed): void {
  const { bucket, key, req } = call;
  const [[name, value] = []] = Object.entries(checksums);
  answer(call, 'CompleteMultipartUploadResult', {
    Location: `http://${req.headers.host ?? ''}/${bucket}/${encodeURI(key)}`, Bucket: bucket, Key: key, ETag: `"${etag}"`,
    ...(name === undefined ? {} : { [`Checksum${name.toUpperCase()}`]: value, ChecksumType: checksumType ?? 'COMPOSITE' }),
  }, versionId === null ? {} : { 'x-amz-version-id': versionId });
}

/** The parts that the request names, if they are what came. */
async function chosenParts({ core }: Call, multipart: Multipart, wish: Element): Promise<Part[]> {
  const named = wish.all('Part');
  if (named.length === 0 || named.length > mostParts) throw malformed();
  const there = new Map((await core.parts.parts(multipart, 0, mostParts)).map((part) => [part.number, part]));
  const chosen: Part[] = [];
  // Of a part that is named twice in a row the last word counts: it was sent again.
  const last = named.filter((one, at) => one.value('PartNumber') !== named[at + 1]?.value('PartNumber'));
  for (const one of last) {
    const number = Number(one.value('PartNumber'));
    const etag = one.value('ETag')?.trim().replaceAll('"', '');
    if (!Number.isSafeInteger(number) || etag === undefined) throw malformed();
    if (chosen.length > 0 && chosen.at(-1)!.number >= number) throw new S3Error('InvalidPartOrder', 'The list of parts was not in ascending order. The parts list must be specified in order by part number.');
    const part = there.get(number);
    if (part?.etag !== etag) throw new S3Error('InvalidPart', 'One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part\'s entity tag.');
    demandChecksums(one, JSON.parse(part.about) as PartAbout);
    chosen.push(part);
  }
  if (chosen.slice(0, -1).some(({ size }) => size < leastPart)) throw new S3Error('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size');
  return chosen;
}

function demandChecksums(wish: Element, { checksums }: PartAbout): void {
  for (const child of wish.children) {
    const name = /^Checksum(CRC32C?|CRC64NVME|SHA1|SHA256)$/.exec(child.name)?.[1]?.toLowerCase();
    if (name !== undefined && checksums[name] !== child.text.trim()) throw new S3Error('InvalidPart', 'The checksum of a part is not the one that it came with.');
  }
}

/** The whole's checksum: of its parts' checksums, or, where those can be put together, of its bytes. */
function checksumsOf({ algorithm, checksumType }: Begun, parts: readonly Part[]): Checksums {
  if (algorithm === undefined) return {};
  const each = parts.map((part) => aboutPart(part).checksums[algorithm]);
  if (each.some((one) => one === undefined)) return {};
  const bytes = each.map((one) => Buffer.from(one!, 'base64'));
  if (checksumType === 'FULL_OBJECT') return { [algorithm]: combined(algorithm, bytes.map((crc, at) => ({ crc, size: parts[at]!.size }))) };
  const hash = newHash(algorithm as Algorithm);
  hash.update(Buffer.concat(bytes));
  return { [algorithm]: `${base64Of(hash.digest('hex'))}-${parts.length}` };
}

/** A CRC of several runs of bytes, from their CRCs alone. */
function combined(algorithm: string, runs: readonly { readonly crc: Buffer; readonly size: number }[]): string {
  const kind = crcs[algorithm]!;
  const toNumber = (crc: Buffer): bigint => BigInt(`0x${crc.toString('hex')}`);
  const whole = runs.slice(1).reduce((sum, { crc, size }) => combineCrc(kind, sum, toNumber(crc), size), toNumber(runs[0]!.crc));
  return base64Of(whole.toString(16).padStart(kind.width / 4, '0'));
}

/** @throws S3Error where the request says another checksum than the object has. */
function demandWhole(call: Call, checksums: Checksums): void {
  for (const [name, value] of Object.entries(checksums)) {
    const said = headerOf(call, `x-amz-checksum-${name}`);
    if (said !== undefined && said !== value && `${said}-` !== value.slice(0, said.length + 1)) throw new S3Error('BadDigest', `The ${name} you specified did not match the calculated checksum.`);
  }
}

function aboutPart(part: Part): PartAbout {
  return JSON.parse(part.about) as PartAbout;
}

export async function abortMultipart(call: Call): Promise<void> {
  const { multipart, as } = await find(call, 'AbortMultipartUpload');
  await call.core.parts.abort(as, multipart);
  nothing(call, 204);
}

export async function listParts(call: Call): Promise<void> {
  const { core, bucket, key, query } = call;
  const { multipart } = await find(call, 'ListMultipartUploadParts');
  const max = maxOf(query.get('max-parts'));
  const marker = Number(query.get('part-number-marker') ?? 0);
  if (!Number.isSafeInteger(marker) || marker < 0) throw new S3Error('InvalidArgument', 'part-number-marker must be a number');
  const found = await core.parts.parts(multipart, marker, max + 1);
  const page = found.slice(0, max);
  const owner = person((JSON.parse(multipart.about) as Begun).owner ?? multipart.namespace);
  answer(call, 'ListPartsResult', {
    Bucket: bucket, Key: key, UploadId: multipart.id, Initiator: owner, Owner: owner, StorageClass: 'STANDARD', PartNumberMarker: marker,
    NextPartNumberMarker: page.at(-1)?.number ?? 0, MaxParts: max, IsTruncated: found.length > max,
    Part: page.map((part) => elements({
      PartNumber: part.number, LastModified: new Date(part.at).toISOString(), ETag: `"${part.etag}"`, Size: part.size,
      ...Object.fromEntries(Object.entries((JSON.parse(part.about) as PartAbout).checksums).map(([name, value]) => [`Checksum${name.toUpperCase()}`, value])),
    })),
  });
}

export async function listMultiparts(call: Call): Promise<void> {
  const { core, bucket, query } = call;
  const { as } = await allow(call, 'ListBucketMultipartUploads');
  const max = maxOf(query.get('max-uploads'));
  const key = query.get('key-marker') ?? '';
  const id = query.get('upload-id-marker') ?? '';
  const prefix = query.get('prefix') ?? '';
  // Without an id every upload of the marker's key is behind.
  const behind = key === '' ? null : { key, id: id === '' ? '~' : id };
  const found = await core.parts.list(as, bucket, { prefix, behind, limit: max + 1 });
  const page = found.slice(0, max);
  const shown = encoderOf(call);
  const truncated = found.length > max;
  answer(call, 'ListMultipartUploadsResult', {
    Bucket: bucket, KeyMarker: shown(key), UploadIdMarker: id, NextKeyMarker: truncated ? shown(page.at(-1)!.key) : '', NextUploadIdMarker: truncated ? page.at(-1)!.id : '',
    Prefix: shown(prefix), EncodingType: query.get('encoding-type'), MaxUploads: max, IsTruncated: truncated,
    Upload: page.map((multipart) => {
      const owner = person((JSON.parse(multipart.about) as Begun).owner ?? multipart.namespace);
      return elements({ Key: shown(multipart.key), UploadId: multipart.id, Initiator: owner, Owner: owner, StorageClass: 'STANDARD', Initiated: new Date(multipart.createdAt).toISOString() });
    }),
  });
}

async function find(call: Call, action: Action): Promise<{ multipart: Multipart; as: Principal }> {
  const { as } = await allow(call, action);
  return { multipart: await call.core.parts.get(as, call.bucket, call.key, call.query.get('uploadId') ?? ''), as };
}

function numberOf({ query }: Call): number {
  const text = query.get('partNumber') ?? '';
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > mostParts) throw new S3Error('InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive');
  return number;
}
