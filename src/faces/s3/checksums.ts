/** Checksums of S3: which there are, what a request says of its body, and whether that is so. */
import type { Algorithm, Digest } from '../../kit/digest.ts';
import { S3Error } from './errors.ts';

/** By the name in `x-amz-checksum-*`. */
const algorithms: ReadonlyMap<string, Algorithm> = new Map([
  ['crc32', 'crc32'], ['crc32c', 'crc32c'], ['crc64nvme', 'crc64nvme'], ['sha1', 'sha1'], ['sha256', 'sha256'],
]);

/** Checksums in base64, by the name in `x-amz-checksum-*`. */
export type Checksums = Readonly<Record<string, string>>;

/** Headers in lower case that a request may carry, or that its query may stand for. */
export type HeaderOf = (name: string) => string | undefined;

/** What a request says of its body. */
export class Promised {
  /** What has to be computed while the body comes. */
  readonly measure: readonly Algorithm[];
  readonly #md5: string | undefined;
  readonly #sha256: string | undefined;
  /** By name; undefined where it comes behind the body. */
  readonly #checksums: ReadonlyMap<string, string | undefined>;

  /**
   * @param sha256 the hash of the body that was signed, in hex.
   * @throws S3Error for what is no checksum.
   */
  constructor(header: HeaderOf, sha256: string | undefined) {
    this.#md5 = md5Of(header('content-md5'));
    this.#sha256 = sha256;
    this.#checksums = checksumsOf(header);
    // The tag of an object is its MD5.
    const measure = new Set<Algorithm>(['md5']);
    if (sha256 !== undefined) measure.add('sha256');
    for (const name of this.#checksums.keys()) measure.add(algorithms.get(name)!);
    this.measure = [...measure];
  }

  /**
   * Holds what was said against what came.
   *
   * @param trailers what came behind the body.
   * @returns the checksums to keep.
   * @throws S3Error `BadDigest`, `XAmzContentSHA256Mismatch`
   */
  verify(measured: readonly Digest[], trailers: ReadonlyMap<string, string>): Checksums {
    const hexOf = (algorithm: Algorithm): string => measured.find((digest) => digest.algorithm === algorithm)!.hex;
    if (this.#sha256 !== undefined && hexOf('sha256') !== this.#sha256) {
      throw new S3Error('XAmzContentSHA256Mismatch', "The provided 'x-amz-content-sha256' header does not match what was computed.");
    }
    if (this.#md5 !== undefined && hexOf('md5') !== this.#md5) throw new S3Error('BadDigest', 'The Content-MD5 you specified did not match what we received.');
    const kept: Record<string, string> = {};
    for (const [name, value] of this.#checksums) {
      const actual = base64Of(hexOf(algorithms.get(name)!));
      const said = value ?? trailers.get(`x-amz-checksum-${name}`);
      if (said === undefined) throw new S3Error('MalformedTrailerError', `The trailer x-amz-checksum-${name} did not come.`);
      if (said !== actual) throw new S3Error('BadDigest', `The ${name.toUpperCase()} you specified did not match the calculated checksum.`);
      kept[name] = actual;
    }
    return kept;
  }
}

export function etagOf(measured: readonly Digest[]): string {
  return measured.find(({ algorithm }) => algorithm === 'md5')!.hex;
}

/** Headers that tell of checksums; `COMPOSITE` are those made of checksums of parts. */
export function checksumHeaders(checksums: Checksums, type: string | undefined): Record<string, string> {
  const headers = Object.fromEntries(Object.entries(checksums).map(([name, value]) => [`x-amz-checksum-${name}`, value]));
  return Object.keys(headers).length === 0 ? {} : { ...headers, 'x-amz-checksum-type': type ?? 'FULL_OBJECT' };
}

/** The same as elements of an answer. */
export function checksumElements(checksums: Checksums, type: string | undefined): Record<string, string> {
  const found = Object.fromEntries(Object.entries(checksums).map(([name, value]) => [`Checksum${name.toUpperCase()}`, value]));
  return Object.keys(found).length === 0 ? {} : { ...found, ChecksumType: type ?? 'FULL_OBJECT' };
}

export function base64Of(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64');
}

/** The algorithm that a request names for checksums to come, in lower case. @throws S3Error for one that there is not. */
export function algorithmNamed(name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  const lower = name.toLowerCase();
  if (!algorithms.has(lower)) throw new S3Error('InvalidRequest', 'Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]');
  return lower;
}

function md5Of(field: string | undefined): string | undefined {
  if (field === undefined) return undefined;
  const bytes = Buffer.from(field, 'base64');
  if (bytes.byteLength !== 16 || bytes.toString('base64') !== field.trim()) throw new S3Error('InvalidDigest', 'The Content-MD5 you specified was invalid.');
  return bytes.toString('hex');
}

function checksumsOf(header: HeaderOf): Map<string, string | undefined> {
  const found = new Map<string, string | undefined>();
  for (const name of algorithms.keys()) {
    const value = header(`x-amz-checksum-${name}`);
    if (value !== undefined) found.set(name, value.trim());
  }
  const trailers = header('x-amz-trailer')?.split(',').map((name) => name.trim().toLowerCase()) ?? [];
  for (const trailer of trailers.filter((name) => name.startsWith('x-amz-checksum-'))) {
    found.set(algorithmNamed(trailer.slice('x-amz-checksum-'.length))!, undefined);
  }
  if (found.size > 1) throw new S3Error('InvalidRequest', 'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.');
  const named = algorithmNamed(header('x-amz-sdk-checksum-algorithm'));
  if (named !== undefined && found.size === 1 && !found.has(named)) {
    throw new S3Error('InvalidRequest', 'Value for x-amz-sdk-checksum-algorithm header is invalid.');
  }
  return found;
}
