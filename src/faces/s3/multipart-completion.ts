/** CompleteMultipartUpload. */
import { createHash } from 'node:crypto';
import type { Multipart, Part } from '../../core/records.ts';
import type { Allowed } from '../../core/tenants/access.ts';
import { combineCrcs } from '../../kit/combine-crc.ts';
import { newHash } from '../../kit/hashing.ts';
import { printAbout, type About } from './about.ts';
import { sendDocument, headerOf, readDocument, type S3Call } from './call.ts';
import { algorithmOf, base64Of, checksumNameOf, checksumsIn, usualChecksum, type Checksums } from './checksums.ts';
import { conditionsOf } from './conditions.ts';
import { completeMultipartUpload, type CompletedPart } from './documents.ts';
import { invalidArgument, S3Error } from './errors.ts';
import { allow } from './rights.ts';
import {
  aboutPart,
  demandType,
  findMultipart,
  mostParts,
  type MultipartMetadata,
  type PartAbout,
} from './multipart.ts';

const leastPart = 5 * 1024 * 1024;

export async function completeMultipart(call: S3Call): Promise<void> {
  const { core, key, query } = call;
  const allowed = await allow(call, 'PutObject');
  // Checksum headers are for the object, not for this document.
  const ofObject = (name: string): boolean =>
    name.startsWith('x-amz-checksum-') || name === 'x-amz-sdk-checksum-algorithm';
  const { Part: named } = await readDocument(call, completeMultipartUpload, (name) =>
    ofObject(name) ? undefined : headerOf(call, name),
  );
  const id = query.get('uploadId') ?? '';
  let told = await core.multipart.outcome(allowed, key, id);
  try {
    told ??= await completeOpen(call, allowed, named);
  } catch (error) {
    // A concurrent completion removes the parts that this one reads.
    told = await core.multipart.outcome(allowed, key, id);
    if (told === undefined) throw error;
  }
  // A repeated request gets the stored response.
  tellCompleted(call, JSON.parse(told) as Completed);
}

/** @returns the response, as JSON of `Completed` */
async function completeOpen(call: S3Call, allowed: Allowed<'write'>, named: readonly CompletedPart[]): Promise<string> {
  const { multipart } = await findMultipart(call, 'PutObject');
  const begun = JSON.parse(multipart.about) as MultipartMetadata;
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
  return call.core.multipart.complete(
    allowed,
    multipart,
    parts,
    { key: call.key, conditions: conditionsOf(call) },
    facts,
    (versionId) => JSON.stringify({ ...completed, versionId } satisfies Completed),
  );
}

/** @throws S3Error if the declared size differs from that of the parts */
function demandSize(call: S3Call, parts: readonly Part[]): void {
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

function tellCompleted(call: S3Call, { etag, versionId, checksums, checksumType }: Completed): void {
  const { bucket, key, req } = call;
  const [[name, value] = []] = Object.entries(checksums);
  sendDocument(
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

/** The parts that the request lists, if they match the uploaded ones. */
async function chosenParts(
  { core }: S3Call,
  multipart: Multipart,
  begun: MultipartMetadata,
  named: readonly CompletedPart[],
): Promise<Part[]> {
  const there = new Map((await core.multipart.parts(multipart, 0, mostParts)).map((part) => [part.number, part]));
  const chosen: Part[] = [];
  const checksummed = named.some((one) =>
    Object.entries(one).some(([name, value]) => value !== undefined && checksumNameOf(name) !== undefined),
  );
  // If a part is listed twice in a row, the last entry counts.
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
 * @param all whether the request has a checksum for any part; it must then have one for each part of a composite
 *   checksum. A request without checksums is accepted, because they were verified at upload.
 * @throws S3Error if a part's checksum differs from the uploaded one, or is missing
 */
function demandChecksums(
  wish: CompletedPart,
  { algorithm, checksumType }: MultipartMetadata,
  part: Part,
  all: boolean,
): void {
  const { checksums, usual } = aboutPart(part);
  const known: Checksums = usual === undefined ? checksums : { [usualChecksum]: usual, ...checksums };
  const said = new Set<string>();
  for (const [element, value] of Object.entries(wish)) {
    const name = checksumNameOf(element);
    if (name === undefined || value === undefined) continue;
    if (known[name] !== value)
      throw new S3Error('InvalidPart', 'The checksum of a part is not the one that it was uploaded with.');
    said.add(name);
  }
  if (!all || algorithm === undefined || checksumType === 'FULL_OBJECT' || said.has(algorithm)) return;
  throw new S3Error(
    'InvalidRequest',
    `The upload was created using a ${algorithm} checksum. The complete request must include the checksum for each part. It was missing for part ${part.number} in the request.`,
  );
}

/** The object's checksum: combined from the parts' CRCs, or computed over the parts' checksums. */
async function checksumsOf({ algorithm, checksumType }: MultipartMetadata, parts: readonly Part[]): Promise<Checksums> {
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

/** A CRC combined from the CRCs of the parts; undefined if a part lacks one, or it is not a CRC. */
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

/** @throws S3Error if a declared checksum differs from the object's, or cannot be verified */
function demandWhole(call: S3Call, begun: MultipartMetadata, parts: readonly Part[], checksums: Checksums): void {
  const said = checksumsIn((header) => headerOf(call, header));
  if (said.length > 1)
    throw new S3Error(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    );
  for (const [name, value] of said) {
    // If the upload named no algorithm, its parts may still have checksums.
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
