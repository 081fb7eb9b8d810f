/** What a request promises of its body by digest fields, old and new. */
import type { IncomingMessage } from 'node:http';
import { demandDigest } from '../core/bytes/ingest.ts';
import { Refusal } from '../core/refusal.ts';
import { parseBase64Digest, parseDigestField, type Digest } from '../kit/digest.ts';
import { newHash } from '../kit/hashing.ts';

/**
 * What a digest field (RFC 9530) promises; nothing where there is none.
 *
 * @throws Refusal `malformed` where it is not such a field, or where nothing that it promises can be checked: a digest
 *   that is passed over would protect nothing.
 */
export function digestsOf(field: string | undefined, name: string): readonly Digest[] {
  if (field === undefined) return [];
  const digests = parseDigestField(field);
  if (!digests) throw new Refusal('malformed', `${name} is not a list of digests like sha-512=:...:`);
  if (digests.length === 0)
    throw new Refusal('malformed', `${name} has no digest of a supported algorithm, such as sha-512`);
  return digests;
}

/** The digests of one body: those that its headers bring, and those that come behind it. */
export interface BodyDigests {
  readonly digests: readonly Digest[];
  /** To be asked once the body is whole. */
  readonly late?: () => readonly Digest[];
}

/**
 * What a request promises of its body: `Content-Digest`, as a header or a trailer, and `Content-MD5`.
 *
 * @throws Refusal `malformed`
 */
export function bodyDigests(req: IncomingMessage): BodyDigests {
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

/** Holds a body at hand against what its request promises. @throws Refusal `digest_mismatch`, `malformed` */
export async function demandDigests({ digests, late }: BodyDigests, bytes: Uint8Array): Promise<void> {
  for (const expected of [...digests, ...(late?.() ?? [])]) {
    const hash = await newHash(expected.algorithm);
    hash.update(bytes);
    demandDigest(expected, hash);
  }
}

/** Whether `Trailer` says that the field comes behind the body. */
export function announces(req: IncomingMessage, name: string): boolean {
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
