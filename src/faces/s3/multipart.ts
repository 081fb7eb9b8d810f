import { createHash } from 'node:crypto';
import { wholeBody } from '../../core/bytes/ingest.ts';
import type { Multipart, Part, Principal, Retention } from '../../core/records.ts';
import type { Digest } from '../../kit/digest.ts';
import { combineCrcs } from '../../kit/combine-crc.ts';
import { newHash } from '../../kit/hashing.ts';
import { isId } from '../../kit/ids.ts';
import { printAbout, type About } from './about.ts';
import { person } from './acl.ts';
import { answer, headerOf, nothing, payloadOf, readDocument, type Call } from './call.ts';
import {
  algorithmNamed,
  algorithmOf,
  base64Of,
  checksumElements,
  checksumHeaders,
  checksumNameOf,
  checksumOf,
  checksumsIn,
  etagOf,
  refuseChecksums,
  typeNamed,
  usualChecksum,
  type Checksums,
} from './checksums.ts';
import { conditionsOf } from './conditions.ts';
import { completeMultipartUpload, type CompletedPart } from './documents.ts';
import { invalidArgument, S3Error } from './errors.ts';
import { encoderOf, maxOf, roll, wishOf } from './listing.ts';
import { newObject } from './new-object.ts';
import { sourceOf } from './objects.ts';
import { allow, type Action } from './rights.ts';
import { elements, type Xml } from './xml.ts';

/** What was said when it began. */
interface Begun extends Omit<About, 'checksums' | 'parts' | 'checksumType'> {
  /** The algorithm of the parts' checksums. */
  readonly algorithm?: string;
  readonly checksumType?: string;
  /** The object lock that was asked for. */
  readonly retention?: Retention;
  readonly held?: boolean;
}

/** What came with a part. */
interface PartAbout {
  readonly checksums: Checksums;
  /** The checksum that the whole gets where its upload names none; clients are not told of it. */
  readonly usual?: string;
}

const mostParts = 10_000;
const leastPart = 5 * 1024 * 1024;

export async function createMultipart(call: Call): Promise<void> {
  const { core, bucket, key } = call;
  const { as, about, lock } = await newObject(call);
  const algorithm = algorithmNamed(headerOf(call, 'x-amz-checksum-algorithm'));
  const type = typeNamed(headerOf(call, 'x-amz-checksum-type'), algorithm);
  refuseChecksums((header) => headerOf(call, header));
  const begun: Begun = {
    ...about,
    ...(lock.retention ? { retention: lock.retention } : {}),
    ...(lock.held === null ? {} : { held: lock.held }),
    ...(algorithm === undefined || type === undefined ? {} : { algorithm, checksumType: type }),
  };
  const { id } = await core.multipart.begin(as, bucket, key, JSON.stringify(begun));
  const headers: Record<string, string> =
    algorithm === undefined || type === undefined
      ? {}
      : { 'x-amz-checksum-algorithm': algorithm.toUpperCase(), 'x-amz-checksum-type': type };
  answer(call, 'InitiateMultipartUploadResult', { Bucket: bucket, Key: key, UploadId: id }, headers);
}

export async function uploadPart(call: Call): Promise<void> {
  const { multipart, as } = await find(call, 'PutObject');
  const number = numberOf(call);
  const begun = JSON.parse(multipart.about) as Begun;
  demandType(call, begun, 'part upload');
  const { body, promised, verify } = payloadOf(call, {
    keep: begun.checksumType === 'FULL_OBJECT' ? begun.algorithm : undefined,
  });
  demandAlgorithm(begun, promised.names[0]);
  let checksums: Checksums = {};
  const { etag } = await call.core.multipart.put(as, multipart, number, body, {
    measure: measureOf(begun, promised.measure),
    describe: (measured) => {
      checksums = verify(measured);
      return { etag: etagOf(measured), about: printPart(begun, checksums, measured) };
    },
  });
  const { 'x-amz-checksum-type': _, ...headers } = checksumHeaders(checksums, undefined);
  nothing(call, 200, { ETag: `"${etag}"`, ...headers });
}

/** @throws S3Error where a part brings another checksum than its upload was begun with, or none where the whole's is made of them. */
function demandAlgorithm({ algorithm, checksumType }: Begun, named: string | undefined): void {
  if (algorithm === undefined || named === algorithm || (named === undefined && checksumType === 'FULL_OBJECT')) return;
  throw new S3Error(
    'InvalidRequest',
    `Checksum Type mismatch occurred, expected checksum Type: ${algorithm}, actual checksum Type: ${named ?? 'null'}`,
  );
}

/** @throws S3Error where a request says another type of checksum than the upload was begun with. */
function demandType(call: Call, { checksumType = 'FULL_OBJECT' }: Begun, request: string): void {
  const said = headerOf(call, 'x-amz-checksum-type')?.trim().toUpperCase();
  if (said === undefined || said === checksumType) return;
  throw new S3Error(
    'InvalidRequest',
    `The upload was created using the ${checksumType} checksum mode. The ${request} request must use the same checksum mode.`,
  );
}

function measureOf({ algorithm }: Begun, measure: readonly Digest['algorithm'][]): Digest['algorithm'][] {
  return [...new Set([...measure, algorithmOf(algorithm ?? usualChecksum)])];
}

function printPart({ algorithm }: Begun, checksums: Checksums, measured: readonly Digest[]): string {
  const about: PartAbout = {
    checksums,
    ...(algorithm === undefined ? { usual: checksumOf(measured, usualChecksum) } : {}),
  };
  return JSON.stringify(about);
}

export async function uploadPartCopy(call: Call): Promise<void> {
  const { multipart, as } = await find(call, 'PutObject');
  const number = numberOf(call);
  const begun = JSON.parse(multipart.about) as Begun;
  refuseChecksums((header) => headerOf(call, header));
  const { blob, object } = await sourceOf(call);
  const { from, to } = rangeOf(headerOf(call, 'x-amz-copy-source-range'), blob.size);
  const reader = await call.core.objects.openForCopy(blob);
  try {
    let checksums: Checksums = {};
    const { etag } = await call.core.multipart.put(as, multipart, number, wholeBody(reader.read(from, to), to - from), {
      measure: measureOf(begun, ['md5']),
      describe: (measured) => {
        if (begun.algorithm !== undefined) checksums = { [begun.algorithm]: checksumOf(measured, begun.algorithm) };
        return { etag: etagOf(measured), about: printPart(begun, checksums, measured) };
      },
    });
    const { ChecksumType: _, ...told } = checksumElements(checksums, undefined);
    const headers: Record<string, string> =
      object.versionId === null ? {} : { 'x-amz-copy-source-version-id': object.versionId };
    answer(
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

export async function completeMultipart(call: Call): Promise<void> {
  const { core, bucket, key, query } = call;
  const { as } = await allow(call, 'PutObject');
  // Checksums in the headers are of the object, not of this document.
  const ofObject = (name: string): boolean =>
    name.startsWith('x-amz-checksum-') || name === 'x-amz-sdk-checksum-algorithm';
  const { Part: named } = await readDocument(call, completeMultipartUpload, (name) =>
    ofObject(name) ? undefined : headerOf(call, name),
  );
  const before = await core.multipart.outcome(as, bucket, key, query.get('uploadId') ?? '');
  // The answer was lost, and here it is again.
  if (before !== undefined) return tellCompleted(call, JSON.parse(before) as Completed);
  const { multipart } = await find(call, 'PutObject');
  const begun = JSON.parse(multipart.about) as Begun;
  demandType(call, begun, 'complete');
  const parts = await chosenParts(call, multipart, begun, named);
  demandSize(call, parts);
  const etag = `${createHash('md5')
    .update(Buffer.concat(parts.map((part) => Buffer.from(part.etag, 'hex'))))
    .digest('hex')}-${parts.length}`;
  const checksums = await checksumsOf(begun, parts);
  demandWhole(call, begun, parts, checksums);
  const { algorithm: _, retention = null, held = null, ...said } = begun;
  const about: About = {
    ...said,
    checksums,
    parts: parts.map((part) => ({ number: part.number, size: part.size, checksums: aboutPart(part).checksums })),
  };
  const completed = {
    etag,
    checksums,
    checksumType: begun.checksumType ?? (checksums[usualChecksum] === undefined ? null : 'FULL_OBJECT'),
  };
  const facts = { etag, about: printAbout(about), lock: { retention, held } };
  const told = await core.multipart.complete(
    as,
    multipart,
    parts,
    { bucket, key, conditions: conditionsOf(call) },
    facts,
    (versionId) => JSON.stringify({ ...completed, versionId } satisfies Completed),
  );
  tellCompleted(call, JSON.parse(told) as Completed);
}

/** @throws S3Error where the request says another size than the parts have. */
function demandSize(call: Call, parts: readonly Part[]): void {
  const asked = headerOf(call, 'x-amz-mp-object-size');
  if (asked === undefined) return;
  const actual = parts.reduce((sum, { size }) => sum + size, 0);
  if (!/^\d{1,15}$/.test(asked))
    throw invalidArgument('The object size must be a number of bytes.', 'x-amz-mp-object-size', asked);
  if (Number(asked) !== actual) {
    throw new S3Error(
      'InvalidRequest',
      `The provided 'x-amz-mp-object-size' header value ${asked} does not match what was computed: ${actual}`,
    );
  }
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
  answer(
    call,
    'CompleteMultipartUploadResult',
    {
      Location: `http://${req.headers.host ?? ''}/${bucket}/${encodeURI(key)}`,
      Bucket: bucket,
      Key: key,
      ETag: `"${etag}"`,
      ...(name === undefined
        ? {}
        : { [`Checksum${name.toUpperCase()}`]: value, ChecksumType: checksumType ?? 'COMPOSITE' }),
    },
    versionId === null ? {} : { 'x-amz-version-id': versionId },
  );
}

/** The parts that the request names, if they are what came. */
async function chosenParts(
  { core }: Call,
  multipart: Multipart,
  begun: Begun,
  named: readonly CompletedPart[],
): Promise<Part[]> {
  const there = new Map((await core.multipart.parts(multipart, 0, mostParts)).map((part) => [part.number, part]));
  const chosen: Part[] = [];
  const checksummed = named.some((one) =>
    Object.entries(one).some(([name, value]) => value !== undefined && checksumNameOf(name) !== undefined),
  );
  // Of a part that is named twice in a row the last word counts: it was sent again.
  const last = named.filter((one, at) => one.PartNumber !== named[at + 1]?.PartNumber);
  for (const one of last) {
    const { PartNumber: number, ETag: etag } = one;
    if (chosen.length > 0 && chosen.at(-1)!.number >= number)
      throw new S3Error(
        'InvalidPartOrder',
        'The list of parts was not in ascending order. The parts list must be specified in order by part number.',
      );
    const part = there.get(number);
    if (part?.etag !== etag)
      throw new S3Error(
        'InvalidPart',
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
      );
    demandChecksums(one, begun, part, checksummed);
    chosen.push(part);
  }
  if (chosen.slice(0, -1).some(({ size }) => size < leastPart))
    throw new S3Error('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size');
  return chosen;
}

/**
 * @param all whether the completion has a checksum of any part: then it must have one of every part that the whole's is
 * made of. A completion without any claims nothing; the checksums that came with the parts were checked then.
 * @throws S3Error where a part did not come with the checksum that the completion has for it, or that checksum is missing.
 */
function demandChecksums(wish: CompletedPart, { algorithm, checksumType }: Begun, part: Part, all: boolean): void {
  const { checksums, usual } = aboutPart(part);
  const known: Checksums = usual === undefined ? checksums : { [usualChecksum]: usual, ...checksums };
  const said = new Set<string>();
  for (const [element, value] of Object.entries(wish)) {
    const name = checksumNameOf(element);
    if (name === undefined || value === undefined) continue;
    if (known[name] !== value)
      throw new S3Error('InvalidPart', 'The checksum of a part is not the one that it came with.');
    said.add(name);
  }
  if (!all || algorithm === undefined || checksumType === 'FULL_OBJECT' || said.has(algorithm)) return;
  throw new S3Error(
    'InvalidRequest',
    `The upload was created using a ${algorithm} checksum. The complete request must include the checksum for each part. It was missing for part ${part.number} in the request.`,
  );
}

/** The whole's checksum: of its parts' checksums, or, where those can be put together, of its bytes. */
async function checksumsOf({ algorithm, checksumType }: Begun, parts: readonly Part[]): Promise<Checksums> {
  const name = algorithm ?? usualChecksum;
  if (algorithm === undefined || checksumType === 'FULL_OBJECT') {
    const whole = combined(name, parts, (about) => (algorithm === undefined ? about.usual : about.checksums[name]));
    return whole === undefined ? {} : { [name]: whole };
  }
  const each = parts.map((part) => aboutPart(part).checksums[name]);
  if (each.some((one) => one === undefined)) return {};
  const hash = await newHash(algorithmOf(name));
  hash.update(Buffer.concat(each.map((one) => Buffer.from(one!, 'base64'))));
  return { [name]: `${base64Of(hash.digest('hex'))}-${parts.length}` };
}

/** A CRC of the bytes of several parts, from their CRCs alone; undefined where one has none, or it is no CRC. */
function combined(
  name: string,
  parts: readonly Part[],
  crcOf: (about: PartAbout) => string | undefined,
): string | undefined {
  const runs = parts.flatMap((part) => {
    const crc = crcOf(aboutPart(part));
    return crc === undefined ? [] : [{ crc: Buffer.from(crc, 'base64').toString('hex'), size: part.size }];
  });
  const [first, ...others] = runs;
  const hex = first && runs.length === parts.length ? combineCrcs(algorithmOf(name), [first, ...others]) : undefined;
  return hex === undefined ? undefined : base64Of(hex);
}

/** @throws S3Error where the request says another checksum than the object has, or one that it cannot be held against. */
function demandWhole(call: Call, begun: Begun, parts: readonly Part[], checksums: Checksums): void {
  const said = checksumsIn((header) => headerOf(call, header));
  if (said.length > 1)
    throw new S3Error(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    );
  for (const [name, value] of said) {
    // An upload that named no algorithm may have had checksums with its parts all the same.
    const actual =
      checksums[name] ??
      (begun.algorithm === undefined ? combined(name, parts, (about) => about.checksums[name]) : undefined);
    if (actual === undefined) {
      throw new S3Error(
        'InvalidRequest',
        `Checksum Type mismatch occurred, expected checksum Type: ${begun.algorithm ?? 'null'}, actual checksum Type: ${name}`,
      );
    }
    if (value !== actual && value !== actual.replace(/-\d+$/, '')) {
      throw new S3Error('BadDigest', `The ${name} you specified did not match the calculated checksum.`);
    }
  }
}

function aboutPart(part: Part): PartAbout {
  return JSON.parse(part.about) as PartAbout;
}

export async function abortMultipart(call: Call): Promise<void> {
  const { multipart, as } = await find(call, 'AbortMultipartUpload');
  const begun = headerOf(call, 'x-amz-if-match-initiated-time');
  const at = begun === undefined ? undefined : Date.parse(begun);
  if (at !== undefined && Number.isNaN(at))
    throw invalidArgument('The condition must be a time.', 'x-amz-if-match-initiated-time', begun!);
  if (at !== undefined && Math.floor(at / 1000) !== Math.floor(multipart.createdAt / 1000))
    throw new S3Error('PreconditionFailed');
  await call.core.multipart.abort(as, multipart);
  nothing(call, 204);
}

export async function listParts(call: Call): Promise<void> {
  const { core, bucket, key, query } = call;
  const { multipart } = await find(call, 'ListMultipartUploadParts');
  const max = maxOf(query.get('max-parts'), 'max-parts');
  const marker = maxOf(query.get('part-number-marker') ?? '0', 'part-number-marker', Infinity);
  const found = await core.multipart.parts(multipart, marker, max + 1);
  const page = found.slice(0, max);
  const owner = person((JSON.parse(multipart.about) as Begun).owner ?? multipart.namespace);
  answer(call, 'ListPartsResult', {
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

export async function listMultiparts(call: Call): Promise<void> {
  const { core, bucket, query } = call;
  const { as } = await allow(call, 'ListBucketMultipartUploads');
  const wish = { ...wishOf(call, 'max-uploads'), after: query.get('key-marker') || null };
  // Without a key there is no upload of that id to be behind.
  const id = wish.after === null ? '' : (query.get('upload-id-marker') ?? '');
  if (id !== '' && !isId(id)) throw invalidArgument('Invalid uploadId marker', 'upload-id-marker', id);
  const { prefix, delimiter, max, after: key } = wish;
  // Several uploads have one key: behind the last of them that was seen, not behind the key. Without an id every upload of the marker's key is behind.
  let place = { key: key ?? '', id: id === '' ? behindEveryId : id };
  const page =
    max === 0
      ? { entries: [], next: undefined }
      : await roll<Multipart>(wish, async (after, limit) => {
          const behind = after === null ? null : after === place.key ? place : { key: after, id: behindEveryId };
          const found = await core.multipart.list(as, bucket, { prefix, behind, limit });
          const last = found.at(-1);
          if (last) place = { key: last.key, id: last.id };
          return found;
        });
  const shown = encoderOf(call);
  const { next } = page;
  answer(call, 'ListMultipartUploadsResult', {
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

/** Behind every id of a key: ids have no such character. */
const behindEveryId = '~';

function uploadElement({ key, id, about, namespace, createdAt }: Multipart, shown: (text: string) => string): Xml {
  const { owner, algorithm, checksumType } = JSON.parse(about) as Begun;
  const by = person(owner ?? namespace);
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

async function find(call: Call, action: Action): Promise<{ multipart: Multipart; as: Principal }> {
  const { as } = await allow(call, action);
  return { multipart: await call.core.multipart.get(as, call.bucket, call.key, call.query.get('uploadId') ?? ''), as };
}

function numberOf({ query }: Call): number {
  const text = query.get('partNumber') ?? '';
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > mostParts)
    throw new S3Error('InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive');
  return number;
}
