import { algorithm, canonicalRequest, encode, stringToSign } from './canonical.ts';
import { hmac, scopeOf, signingKeyOf } from './verify.ts';

export interface Presigning {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  /** URL of the S3 listener, without a trailing slash. */
  readonly endpoint: string;
  /** Null if it is in the endpoint's host name. */
  readonly bucket: string | null;
  readonly key: string;
  /** Seconds. */
  readonly expires: number;
  /** The Content-Type that the user of the URL must send. */
  readonly contentType?: string | undefined;
  /** Additional query parameters. */
  readonly query?: Readonly<Record<string, string>> | undefined;
  readonly region: string;
  readonly keyId: string;
  readonly secret: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Signs a URL for one operation on one object. */
export function presign({
  method,
  endpoint,
  bucket,
  key,
  expires,
  contentType,
  query: more = {},
  region,
  keyId,
  secret,
  now,
}: Presigning): string {
  const date = new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const scope = { date: date.slice(0, 8), region };
  const signed = contentType === undefined ? ['host'] : ['content-type', 'host'];
  const path = `${bucket === null ? '' : `/${bucket}`}/${key.split('/').map(encode).join('/')}`;
  const query = Object.entries({
    ...more,
    'X-Amz-Algorithm': algorithm,
    'X-Amz-Credential': `${keyId}/${scopeOf(scope)}`,
    'X-Amz-Date': date,
    'X-Amz-Expires': String(expires),
    'X-Amz-SignedHeaders': signed.join(';'),
  })
    .map(([name, value]) => `${name}=${encode(value)}`)
    .join('&');
  const headers = ['host', new URL(endpoint).host, ...(contentType === undefined ? [] : ['content-type', contentType])];
  const canonical = canonicalRequest({ method, target: `${path}?${query}`, headers }, signed, 'UNSIGNED-PAYLOAD');
  return `${endpoint}${path}?${query}&X-Amz-Signature=${hmac(signingKeyOf(secret, scope), stringToSign(date, scopeOf(scope), canonical)).toString('hex')}`;
}
