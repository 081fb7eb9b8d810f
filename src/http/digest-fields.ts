/** Digests that a request declares for its body, in current and older header fields. */
import type { IncomingMessage } from 'node:http';
import { demandDigest } from '../core/bytes/ingest.ts';
import { Refusal } from '../core/refusal.ts';
import { parseBase64Digest, parseDigestField, type Digest } from '../kit/digest.ts';
import { newHash } from '../kit/hashing.ts';

/**
 * The digests of a digest field (RFC 9530); empty if the field is absent.
 *
 * @throws Refusal `malformed` if the field is invalid or has no digest that can be checked, because an ignored digest
 *   would protect nothing
 */
export function digestsOf(field: string | undefined, name: string): readonly Digest[] {
  if (field === undefined) return [];
  const digests = parseDigestField(field);
  if (!digests) throw new Refusal('malformed', `${name} is not a list of digests like sha-512=:...:`);
  if (digests.length === 0)
    throw new Refusal('malformed', `${name} has no digest of a supported algorithm, such as sha-512`);
  return digests;
}

/** The digests of a body, from headers and trailers. */
export interface BodyDigests {
  readonly digests: readonly Digest[];
  /** Returns the digests of the trailer; call it after the body. */
  readonly late?: () => readonly Digest[];
}

/**
 * The digests that a request declares for its body: `Content-Digest` as header or trailer, and `Content-MD5`.
 *
 * @throws Refusal `malformed`
 */
export function bodyDigests(req: Pick<IncomingMessage, 'headers' | 'trailers'>): BodyDigests {
  const digests = [
    ...digestsOf(fieldOf(req.headers['content-digest']), 'Content-Digest'),
    ...md5Of(fieldOf(req.headers['content-md5'])),
  ];
  if (!announces(req, 'content-digest')) return { digests };
  return {
    digests,
    late: () => {
      const field = req.trailers['content-digest'];
      if (field === undefined) throw new Refusal('malformed', 'the announced Content-Digest trailer is missing');
      return digestsOf(field, 'Content-Digest');
    },
  };
}

/** Checks a buffered body against its declared digests. @throws Refusal `digest_mismatch`, `malformed` */
export async function demandDigests({ digests, late }: BodyDigests, bytes: Uint8Array): Promise<void> {
  for (const expected of [...digests, ...(late?.() ?? [])]) {
    const hash = await newHash(expected.algorithm);
    hash.update(bytes);
    demandDigest(expected, hash);
  }
}

/** Whether `Trailer` announces the field. */
export function announces(req: Pick<IncomingMessage, 'headers'>, name: string): boolean {
  return (req.headers.trailer ?? '')
    .toLowerCase()
    .split(',')
    .some((one) => one.trim() === name);
}

function fieldOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value;
}

function md5Of(field: string | undefined): readonly Digest[] {
  if (field === undefined) return [];
  const digest = parseBase64Digest('md5', field.trim());
  if (!digest) throw new Refusal('malformed', 'Content-MD5 is not the base64 of an MD5');
  return [digest];
}
