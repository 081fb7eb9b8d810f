/** The checksum of one request's body, before it as a header or behind it as a trailer. */
import type { IncomingMessage } from 'node:http';
import { Refusal } from '../../core/refusal.ts';
import { parseBase64Digest, type Algorithm, type Digest } from '../../kit/digest.ts';

/** By the names that tus clients use; sha1 is the one that each must know. */
export const checksums: readonly Algorithm[] = ['sha1', 'sha256', 'sha512', 'md5', 'crc32c'];

export interface Checksums {
  readonly digests: readonly Digest[];
  readonly late?: () => readonly Digest[];
}

/** @throws Refusal `malformed` for another algorithm, or what is no checksum. */
export function checksumsOf(req: IncomingMessage): Checksums {
  const field = req.headers['upload-checksum'];
  if (typeof field === 'string') return { digests: [parseChecksum(field)] };
  const trailers = (req.headers.trailer ?? '').toLowerCase().split(',').map((name) => name.trim());
  if (!trailers.includes('upload-checksum')) return { digests: [] };
  return {
    digests: [],
    late: () => {
      const trailer = req.trailers['upload-checksum'];
      if (trailer === undefined) throw new Refusal('malformed', 'the checksum that was announced did not come');
      return [parseChecksum(trailer)];
    },
  };
}

function parseChecksum(field: string): Digest {
  const [, name, value] = /^([a-z0-9]+) +([A-Za-z0-9+/=]+)$/.exec(field.trim()) ?? [];
  const algorithm = checksums.find((one) => one === name);
  if (name !== undefined && !algorithm) throw new Refusal('malformed', `checksums are ${checksums.join(', ')}, not ${name}`);
  const digest = algorithm && parseBase64Digest(algorithm, value!);
  if (!digest) throw new Refusal('malformed', 'Upload-Checksum is an algorithm and a checksum in base64');
  return digest;
}
