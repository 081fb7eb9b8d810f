/** Verifies request signatures, before any routing. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { S3Error } from '../errors.ts';
import { canonicalRequest, signablePaths, stringToSign, type RawRequest } from './canonical.ts';
import { readClaim, type SignatureClaim, type CredentialScope } from './claim.ts';

export interface VerifyOptions {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Milliseconds that the client's clock may differ. */
  readonly window: number;
  /** The secret of an access key; undefined if the key does not exist. */
  readonly secret: (keyId: string) => Promise<string | undefined>;
}

export interface Signed {
  readonly claim: SignatureClaim;
  /** The key for chunk signatures. */
  readonly signingKey: Buffer;
}

/**
 * Verifies a signature. Any region is accepted, because the client's configured region does not identify it.
 *
 * @returns the claim and its signing key; undefined for an unsigned request
 * @throws S3Error for a wrong or expired signature, or one that does not cover all required headers
 */
export async function verify(request: RawRequest, { now, window, secret }: VerifyOptions): Promise<Signed | undefined> {
  const claim = readClaim(request);
  if (!claim) return undefined;
  demandTime(claim, now, window);
  const known = await secret(claim.keyId);
  if (known === undefined) throw new S3Error('InvalidAccessKeyId', undefined, { AWSAccessKeyId: claim.keyId });
  const signingKey = signingKeyOf(known, claim.scope);
  demandSignature(request, claim, signingKey);
  demandAllSigned(request, claim);
  return { claim, signingKey };
}

/** The signing key for a day and region (Signature Version 4). */
export function signingKeyOf(secret: string, { date, region }: CredentialScope): Buffer {
  return [date, region, 's3', 'aws4_request'].reduce<Buffer>(
    (key, word) => hmac(key, word),
    Buffer.from(`AWS4${secret}`),
  );
}

export function scopeOf({ date, region }: CredentialScope): string {
  return `${date}/${region}/s3/aws4_request`;
}

export function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

/** Compares a signature in hex in constant time. */
export function sameSignature(expected: Buffer, hex: string): boolean {
  return /^[0-9a-f]{64}$/.test(hex) && timingSafeEqual(expected, Buffer.from(hex, 'hex'));
}

function demandTime(claim: SignatureClaim, now: number, window: number): void {
  const skewed = (): S3Error =>
    new S3Error('RequestTimeTooSkewed', undefined, {
      RequestTime: claim.date,
      ServerTime: new Date(now).toISOString(),
      MaxAllowedSkewMilliseconds: String(window),
    });
  if (claim.at > now + window) throw skewed();
  if (claim.expires === null) {
    if (claim.at < now - window) throw skewed();
  } else if (now >= claim.at + claim.expires * 1000) {
    throw new S3Error('AccessDenied', 'Request has expired', {
      Expires: new Date(claim.at + claim.expires * 1000).toISOString(),
      ServerTime: new Date(now).toISOString(),
    });
  }
}

function demandSignature(request: RawRequest, claim: SignatureClaim, signingKey: Buffer): void {
  const forms = signablePaths(request.target).map((path) => {
    const canonical = canonicalRequest(request, claim.signed, claim.payload, path);
    return { canonical, toSign: stringToSign(claim.date, scopeOf(claim.scope), canonical) };
  });
  if (forms.some(({ toSign }) => sameSignature(hmac(signingKey, toSign), claim.signature))) return;
  const [{ canonical, toSign }] = forms as [(typeof forms)[number]];
  throw new S3Error('SignatureDoesNotMatch', 'Compare the canonical request below with your own.', {
    AWSAccessKeyId: claim.keyId,
    SignatureProvided: claim.signature,
    StringToSign: toSign,
    CanonicalRequest: canonical,
  });
}

/** Requires a signature over every `x-amz-` header, because each can change the request. */
function demandAllSigned({ headers }: RawRequest, { form, signed }: SignatureClaim): void {
  const unsigned = new Set<string>();
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]!.toLowerCase();
    if (name.startsWith('x-amz-') && !signed.includes(name) && !(form === 'query' && name === 'x-amz-content-sha256'))
      unsigned.add(name);
  }
  if (unsigned.size > 0)
    throw new S3Error('AccessDenied', 'There were headers present in the request which were not signed', {
      HeadersNotSigned: [...unsigned].join(', '),
    });
}
