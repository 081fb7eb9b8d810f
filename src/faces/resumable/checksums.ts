/** The checksum of a request's body, in a header or a trailer. */
import type { IncomingMessage } from 'node:http';
import { Refusal } from '../../core/refusal.ts';
import { announces, bodyDigests, type BodyDigests } from '../../http/digest-fields.ts';
import { parseBase64Digest, type Algorithm, type Digest } from '../../kit/digest.ts';

/** In tus' names; sha1 is mandatory for tus servers. */
export const checksums: readonly Algorithm[] = ['sha1', 'sha256', 'sha512', 'md5', 'crc32c'];

/** @throws Refusal `malformed` for an unknown algorithm or an invalid checksum */
export function checksumsOf(req: IncomingMessage): BodyDigests {
  const plain = bodyDigests(req);
  const field = req.headers['upload-checksum'];
  if (typeof field === 'string') return { ...plain, digests: [...plain.digests, parseChecksum(field)] };
  if (!announces(req, 'upload-checksum')) return plain;
  return {
    digests: plain.digests,
    late: () => {
      const trailer = req.trailers['upload-checksum'];
      if (trailer === undefined) throw new Refusal('malformed', 'the announced checksum trailer is missing');
      return [parseChecksum(trailer), ...(plain.late?.() ?? [])];
    },
  };
}

/** @throws Refusal `malformed` for a checksum in a request without a body */
export function refuseChecksum(req: IncomingMessage): void {
  if (req.headers['upload-checksum'] !== undefined) throw new Refusal('malformed', 'Upload-Checksum needs a body');
}

function parseChecksum(field: string): Digest {
  const [, name, value] = /^([a-z0-9]+) +([A-Za-z0-9+/=]+)$/.exec(field.trim()) ?? [];
  const algorithm = checksums.find((one) => one === name);
  if (name !== undefined && !algorithm)
    throw new Refusal('malformed', `checksums are ${checksums.join(', ')}, not ${name}`);
  const digest = algorithm && parseBase64Digest(algorithm, value!);
  if (!digest) throw new Refusal('malformed', 'Upload-Checksum must be an algorithm and a checksum in base64');
  return digest;
}
