/** Running digests of bodies, whatever their algorithm. */
import { createHash } from 'node:crypto';
import { Crc32 } from '../kit/crc32.ts';
import { Crc32c } from '../kit/crc32c.ts';
import { Crc64Nvme } from '../kit/crc64nvme.ts';
import { sameDigest, type Algorithm, type Digest } from '../kit/digest.ts';
import { Refusal } from './refusal.ts';

export interface RunningHash {
  update(bytes: Uint8Array): unknown;
  /** Ends it. */
  digest(encoding: 'hex'): string;
}

/** @throws Error for an algorithm that only names what was computed elsewhere. */
export function newHash(algorithm: Algorithm): RunningHash {
  switch (algorithm) {
    case 'crc32':
      return new Crc32();
    case 'crc32c':
      return new Crc32c();
    case 'crc64nvme':
      return new Crc64Nvme();
    default:
      return createHash(algorithm);
  }
}

/** @throws Refusal `digest_mismatch` unless `hash` ends as expected. */
export function demandDigest(expected: Digest, hash: RunningHash): void {
  if (!sameDigest(expected, { algorithm: expected.algorithm, hex: hash.digest('hex') })) {
    throw new Refusal('digest_mismatch', `the bytes that arrived do not have the ${expected.algorithm} that the request names`);
  }
}
