/** Digests (algorithm and lower-case hex) and their header forms of RFC 9530 and RFC 9651. */

/** Length in bytes of each supported digest. */
const lengths = {
  md5: 16,
  sha1: 20,
  sha256: 32,
  sha512: 64,
  xxh64: 8,
  xxh3: 8,
  xxh128: 16,
  crc32: 4,
  crc32c: 4,
  crc64nvme: 8,
} as const;

export type Algorithm = keyof typeof lengths;

export interface Digest {
  readonly algorithm: Algorithm;
  /** Lower-case hexadecimal. */
  readonly hex: string;
}

/** Names of RFC 9530 for the algorithms that Stowage sends. */
const fieldNames: ReadonlyMap<string, Algorithm> = new Map([
  ['sha-512', 'sha512'],
  ['sha-256', 'sha256'],
]);
/** Names of the algorithms that Stowage checks, including registered ones that are too weak to send. */
const checkedNames: ReadonlyMap<string, Algorithm> = new Map([
  ...fieldNames,
  ['sha', 'sha1'],
  ['md5', 'md5'],
  ['crc32c', 'crc32c'],
]);

/** Parses base64; undefined if it is not a digest of the algorithm's length. */
export function parseBase64Digest(algorithm: Algorithm, base64: string): Digest | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64) || base64.length % 4 !== 0) return undefined;
  const hex = hexFromBase64(base64);
  // Unused bits of the last character must be zero, so that each digest has one spelling.
  return base64FromHex(hex) === base64 ? parseDigest(algorithm, hex) : undefined;
}

/** Parses hex of any case; undefined if it is not a digest of the algorithm's length. */
export function parseDigest(algorithm: Algorithm, hex: string): Digest | undefined {
  const lower = hex.toLowerCase();
  if (lower.length !== lengths[algorithm] * 2 || !/^[0-9a-f]+$/.test(lower)) return undefined;
  return { algorithm, hex: lower };
}

/** The sha512 among the digests, in hex. */
export function sha512Of(digests: readonly Digest[]): string | undefined {
  return digests.find(({ algorithm }) => algorithm === 'sha512')?.hex;
}

export function sameDigest(a: Digest, b: Digest): boolean {
  return a.algorithm === b.algorithm && a.hex === b.hex;
}

/**
 * Parses a `Content-Digest` or `Repr-Digest` field: a dictionary of byte sequences (RFC 9530 section 2).
 *
 * @returns the digests that Stowage can check, in field order; other algorithms are left out, as the RFC requires;
 *   undefined if the field is malformed or a known digest has the wrong length
 */
export function parseDigestField(field: string): Digest[] | undefined {
  const found: Digest[] = [];
  for (const member of field.split(',')) {
    const match = /^[ \t]*([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]*={0,2}):[ \t]*$/.exec(member);
    if (!match) return undefined;
    const algorithm = checkedNames.get(match[1]!);
    if (!algorithm) continue;
    const digest = parseBase64Digest(algorithm, match[2]!);
    if (!digest) return undefined;
    found.push(digest);
  }
  return found;
}

/** Formats a digest as a member of a digest field: `sha-512=:...:`. Only for algorithms that RFC 9530 registers. */
export function printDigestField(digest: Digest): string {
  for (const [name, algorithm] of fieldNames) {
    if (algorithm === digest.algorithm) return `${name}=:${base64FromHex(digest.hex)}:`;
  }
  throw new TypeError(`${digest.algorithm} has no registered digest field`);
}

/** The first supported algorithm with the highest weight in a `Want-Repr-Digest` field (RFC 9530 section 4). */
export function wantedDigest(field: string): Algorithm | undefined {
  let best: { algorithm: Algorithm; weight: number } | undefined;
  for (const member of field.split(',')) {
    const match = /^[ \t]*([a-z][a-z0-9-]*)=(\d{1,2})[ \t]*$/.exec(member);
    const algorithm = match && fieldNames.get(match[1]!);
    if (!algorithm) continue;
    const weight = Number(match[2]);
    if (weight > 0 && weight > (best?.weight ?? 0)) best = { algorithm, weight };
  }
  return best?.algorithm;
}

function hexFromBase64(text: string): string {
  return Array.from(atob(text), (char) => char.charCodeAt(0).toString(16).padStart(2, '0')).join('');
}

function base64FromHex(hex: string): string {
  return btoa(String.fromCharCode(...(hex.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16))));
}
