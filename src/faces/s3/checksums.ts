/** S3 checksums: algorithms, declared values, and their verification. */
import { digestsOf } from '../../http/digest-fields.ts';
import { parseBase64Digest, type Algorithm, type Digest } from '../../kit/digest.ts';
import { S3Error } from './errors.ts';

export type ChecksumType = 'COMPOSITE' | 'FULL_OBJECT';

interface Kind {
  readonly algorithm: Algorithm;
  /** Types for multipart uploads, the default first. FULL_OBJECT needs CRCs, which can be combined. */
  readonly types: readonly ChecksumType[];
  /** The checksum of empty content, in hex. */
  readonly empty: string;
}

const composite: readonly ChecksumType[] = ['COMPOSITE'];
const both: readonly ChecksumType[] = ['COMPOSITE', 'FULL_OBJECT'];

/** By the name in `x-amz-checksum-*`. */
const kinds: ReadonlyMap<string, Kind> = new Map([
  ['crc32', { algorithm: 'crc32', types: both, empty: '00000000' }],
  ['crc32c', { algorithm: 'crc32c', types: both, empty: '00000000' }],
  ['crc64nvme', { algorithm: 'crc64nvme', types: ['FULL_OBJECT'], empty: '0000000000000000' }],
  ['sha1', { algorithm: 'sha1', types: composite, empty: 'da39a3ee5e6b4b0d3255bfef95601890afd80709' }],
  [
    'sha256',
    {
      algorithm: 'sha256',
      types: composite,
      empty: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    },
  ],
  [
    'sha512',
    {
      algorithm: 'sha512',
      types: composite,
      empty:
        'cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce' +
        '47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e',
    },
  ],
  ['md5', { algorithm: 'md5', types: composite, empty: 'd41d8cd98f00b204e9800998ecf8427e' }],
  ['xxhash64', { algorithm: 'xxh64', types: composite, empty: 'ef46db3751d8e999' }],
  ['xxhash3', { algorithm: 'xxh3', types: composite, empty: '2d06800538d394c2' }],
  ['xxhash128', { algorithm: 'xxh128', types: composite, empty: '99aa06d3014798d86001c324468d497f' }],
]);

/** The checksum of an object whose request names none. */
export const usualChecksum = 'crc64nvme';

const prefix = 'x-amz-checksum-';
/** Headers with the prefix that are not checksums. */
const wishes = ['algorithm', 'mode', 'type'];

/** Checksums in base64, by the name in `x-amz-checksum-*`. */
export type Checksums = Readonly<Record<string, string>>;

/** Looks up a header by lower-case name. */
export type HeaderOf = (name: string) => string | undefined;

/** @throws S3Error for an unsupported checksum, because ignoring it would leave the body unchecked */
export function demandKnownChecksums(headers: readonly string[]): void {
  const unknown = headers
    .map((name) => name.slice(prefix.length))
    .find((name) => !kinds.has(name) && !wishes.includes(name));
  if (unknown !== undefined) throw unsupported();
}

/** @throws S3Error for checksums in a request without a body, unless they match an empty body */
export function refuseChecksums(header: HeaderOf): void {
  const named = checksumsIn(header).find(([name, value]) => !isEmptyChecksum(`${prefix}${name}`, value));
  if (named) throw new S3Error('InvalidRequest', `${prefix}${named[0]} needs a body, and this request has none.`);
}

/** The checksums in headers, by name. */
export function checksumsIn(header: HeaderOf): [name: string, value: string][] {
  return [...kinds.keys()].flatMap((name): [string, string][] => {
    const value = header(`${prefix}${name}`);
    return value === undefined ? [] : [[name, value.trim()]];
  });
}

/** Whether a header is the checksum of empty content. */
export function isEmptyChecksum(header: string, value: string): boolean {
  const kind = header.startsWith(prefix) ? kinds.get(header.slice(prefix.length)) : undefined;
  return kind !== undefined && value === base64Of(kind.empty);
}

/** The digests that a request declares for its body. */
export class DeclaredDigests {
  /** Algorithms to compute while the body arrives. */
  readonly measure: readonly Algorithm[];
  /** Names of the declared checksums. */
  readonly names: readonly string[];
  readonly #md5: string | undefined;
  readonly #sha256: string | undefined;
  readonly #digests: readonly Digest[];
  /** By name; undefined if the value is in a trailer. */
  readonly #checksums: ReadonlyMap<string, string | undefined>;
  /** Checksums to store although the request declares none. */
  readonly #kept: readonly string[];

  /**
   * @param sha256 signed hash of the body, in hex
   * @param keep checksum to store if the request declares none
   * @throws S3Error for an invalid or unsupported checksum
   */
  constructor(header: HeaderOf, sha256: string | undefined, keep?: string) {
    this.#md5 = md5Of(header('content-md5'));
    this.#sha256 = sha256;
    this.#digests = [
      ...digestsOf(header('content-digest'), 'Content-Digest'),
      ...digestsOf(header('repr-digest'), 'Repr-Digest'),
    ];
    this.#checksums = promisedIn(header);
    this.names = [...this.#checksums.keys()];
    this.#kept = this.names.length > 0 || keep === undefined ? [] : [keep];
    // The ETag is the MD5.
    const measure = new Set<Algorithm>(['md5']);
    if (sha256 !== undefined) measure.add('sha256');
    for (const { algorithm } of this.#digests) measure.add(algorithm);
    for (const name of [...this.names, ...this.#kept]) measure.add(algorithmOf(name));
    this.measure = [...measure];
  }

  /**
   * Compares the declared digests with the measured ones.
   *
   * @param trailers of the body
   * @returns the checksums to store
   * @throws S3Error `BadDigest`, `XAmzContentSHA256Mismatch`, `MalformedTrailerError`
   */
  verify(measured: readonly Digest[], trailers: ReadonlyMap<string, string>): Checksums {
    if (this.#sha256 !== undefined && hexOf(measured, 'sha256') !== this.#sha256) {
      throw new S3Error(
        'XAmzContentSHA256Mismatch',
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
      );
    }
    if (this.#md5 !== undefined && hexOf(measured, 'md5') !== this.#md5) {
      throw new S3Error('BadDigest', 'The Content-MD5 you specified did not match what we received.');
    }
    const wrong = this.#digests.find(({ algorithm, hex }) => hexOf(measured, algorithm) !== hex);
    if (wrong) throw new S3Error('BadDigest', `The ${wrong.algorithm} you specified did not match what we received.`);
    demandAnnounced(trailers, this.#checksums);
    const kept: Record<string, string> = {};
    for (const [name, value] of this.#checksums) {
      const actual = base64Of(hexOf(measured, algorithmOf(name)));
      const said = value ?? trailers.get(`${prefix}${name}`);
      if (said === undefined) throw new S3Error('MalformedTrailerError', `The trailer ${prefix}${name} is missing.`);
      if (!isChecksum(name, said)) throw malformed(name);
      if (said !== actual)
        throw new S3Error(
          'BadDigest',
          `The ${name.toUpperCase()} you specified did not match the calculated checksum.`,
        );
      kept[name] = actual;
    }
    for (const name of this.#kept) kept[name] = base64Of(hexOf(measured, algorithmOf(name)));
    return kept;
  }
}

function hexOf(measured: readonly Digest[], algorithm: Algorithm): string {
  return measured.find((digest) => digest.algorithm === algorithm)!.hex;
}

export function etagOf(measured: readonly Digest[]): string {
  return hexOf(measured, 'md5');
}

/** One of the measured checksums, in base64. */
export function checksumOf(measured: readonly Digest[], name: string): string {
  return base64Of(hexOf(measured, algorithmOf(name)));
}

/** The algorithm of a checksum. */
export function algorithmOf(name: string): Algorithm {
  return kinds.get(name)!.algorithm;
}

/** Checksum headers; `COMPOSITE` checksums are computed from the checksums of parts. */
export function checksumHeaders(checksums: Checksums, type: string | undefined): Record<string, string> {
  const headers = Object.fromEntries(Object.entries(checksums).map(([name, value]) => [`${prefix}${name}`, value]));
  return Object.keys(headers).length === 0 ? {} : { ...headers, 'x-amz-checksum-type': type ?? 'FULL_OBJECT' };
}

/** Checksums as elements of a document. */
export function checksumElements(checksums: Checksums, type: string | undefined): Record<string, string> {
  const found = Object.fromEntries(
    Object.entries(checksums).map(([name, value]) => [`Checksum${name.toUpperCase()}`, value]),
  );
  return Object.keys(found).length === 0 ? {} : { ...found, ChecksumType: type ?? 'FULL_OBJECT' };
}

/** The checksum of an element such as `ChecksumCRC32`; undefined for other elements. */
export function checksumNameOf(element: string): string | undefined {
  const name = /^Checksum([A-Z0-9]+)$/.exec(element)?.[1]?.toLowerCase();
  return name !== undefined && kinds.has(name) ? name : undefined;
}

export function base64Of(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64');
}

/** The checksum algorithm that a request names, in lower case. @throws S3Error if it is unsupported */
export function algorithmNamed(name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  const lower = name.trim().toLowerCase();
  if (!kinds.has(lower)) throw unsupported();
  return lower;
}

/**
 * The checksum type of a new multipart upload.
 *
 * @throws S3Error for an unknown type, or one that the algorithm does not support
 */
export function typeNamed(field: string | undefined, algorithm: string | undefined): ChecksumType | undefined {
  const type = field?.trim().toUpperCase();
  if (type !== undefined && type !== 'COMPOSITE' && type !== 'FULL_OBJECT') throw invalidValue('x-amz-checksum-type');
  if (algorithm === undefined) {
    if (type === undefined) return undefined;
    throw new S3Error(
      'InvalidRequest',
      'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
    );
  }
  const { types } = kinds.get(algorithm)!;
  if (type === undefined) return types[0];
  if (types.includes(type)) return type;
  throw new S3Error(
    'InvalidRequest',
    `The ${type} checksum type cannot be used with the ${algorithm} checksum algorithm.`,
  );
}

/** @throws S3Error if a request with a whole object declares a composite checksum */
export function demandFullObject(field: string | undefined): void {
  const type = field?.trim().toUpperCase();
  if (type !== undefined && type !== 'FULL_OBJECT') throw invalidValue('x-amz-checksum-type');
}

function md5Of(field: string | undefined): string | undefined {
  if (field === undefined) return undefined;
  const digest = parseBase64Digest('md5', field.trim());
  if (!digest) throw new S3Error('InvalidDigest', 'The Content-MD5 you specified was invalid.');
  return digest.hex;
}

function isChecksum(name: string, value: string): boolean {
  return parseBase64Digest(algorithmOf(name), value) !== undefined;
}

function promisedIn(header: HeaderOf): Map<string, string | undefined> {
  const found = new Map<string, string | undefined>(checksumsIn(header));
  for (const [name, value] of found) if (!isChecksum(name, value!)) throw malformed(name);
  let count = found.size;
  for (const trailer of trailersIn(header('x-amz-trailer'))) {
    found.set(trailer, undefined);
    count += 1;
  }
  if (count > 1)
    throw new S3Error(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    );
  demandNamed(header('x-amz-sdk-checksum-algorithm'), found);
  return found;
}

/** Names of the checksums in trailers. */
function trailersIn(field: string | undefined): string[] {
  const names =
    field
      ?.split(',')
      .map((name) => name.trim().toLowerCase())
      .filter((name) => name !== '') ?? [];
  return names.map((trailer) => {
    const name = trailer.startsWith(prefix) ? trailer.slice(prefix.length) : '';
    if (!kinds.has(name))
      throw new S3Error('InvalidRequest', 'The value specified in the x-amz-trailer header is not supported');
    return name;
  });
}

/** @throws S3Error if the declared algorithm differs from that of the checksum sent */
function demandNamed(field: string | undefined, found: ReadonlyMap<string, unknown>): void {
  if (field === undefined) return;
  const name = field.trim().toLowerCase();
  if (!kinds.has(name) || (found.size > 0 && !found.has(name))) throw invalidValue('x-amz-sdk-checksum-algorithm');
  if (found.size > 0) return;
  throw new S3Error(
    'InvalidRequest',
    'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
  );
}

/** Refuses unannounced trailers, because their checksums would not be verified. */
function demandAnnounced(
  trailers: ReadonlyMap<string, string>,
  announced: ReadonlyMap<string, string | undefined>,
): void {
  for (const trailer of trailers.keys()) {
    const name = trailer.startsWith(prefix) ? trailer.slice(prefix.length) : undefined;
    if (name === undefined || (announced.has(name) && announced.get(name) === undefined)) continue;
    throw new S3Error('MalformedTrailerError', `The trailer ${trailer} was not announced in x-amz-trailer.`);
  }
}

/** A value that no content has. ceph/s3-tests expect the error of a mismatch. */
function malformed(name: string): S3Error {
  return new S3Error('BadDigest', `Value for ${prefix}${name} header is invalid.`);
}

function invalidValue(header: string): S3Error {
  return new S3Error('InvalidRequest', `Value for ${header} header is invalid.`);
}

function unsupported(): S3Error {
  const valid = [...kinds.keys()].map((name) => name.toUpperCase()).join(', ');
  return new S3Error(
    'InvalidRequest',
    `Checksum algorithm provided is unsupported. Please try again with any of the valid types: [${valid}]`,
  );
}
