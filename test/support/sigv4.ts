/** Signature Version 4 written from its specification, for requests that no client library makes. */
import { createHash, createHmac } from 'node:crypto';

export interface HandKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface HandRequest {
  readonly key: HandKey;
  readonly method: string;
  readonly url: URL;
  /** Milliseconds since the epoch. */
  readonly at?: number;
}

const hash = (text: string | Uint8Array): string => createHash('sha256').update(text).digest('hex');
const mac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
/** Percent-encoding of RFC 3986. */
const escape = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);

export interface Signing {
  readonly date: string;
  readonly scope: string;
  /** Signs a string for the day, region and service. */
  sign(text: string): string;
}

/** The signing key of the day of `at`. */
export function signingOf({ secretAccessKey }: HandKey, at = Date.now()): Signing {
  const date = new Date(at).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const words = [date.slice(0, 8), 'us-east-1', 's3', 'aws4_request'];
  const key = words.reduce<Buffer>((before, word) => mac(before, word), Buffer.from(`AWS4${secretAccessKey}`));
  return { date, scope: words.join('/'), sign: (text) => mac(key, text).toString('hex') };
}

function signatureOf(
  { date, scope, sign }: Signing,
  { method, url }: HandRequest,
  query: string,
  headers: Readonly<Record<string, string>>,
  payload: string,
): string {
  const names = Object.keys(headers).toSorted();
  const canonical = [
    method,
    url.pathname,
    query,
    ...names.map((name) => `${name}:${headers[name]!.trim().replaceAll(/\s+/g, ' ')}`),
    '',
    names.join(';'),
    payload,
  ].join('\n');
  return sign(['AWS4-HMAC-SHA256', date, scope, hash(canonical)].join('\n'));
}

/** A URL that signs only its host and not the body, as rust-s3 makes it. */
export function presignByHand(request: HandRequest, expires = 60): string {
  const { key, url } = request;
  const signing = signingOf(key, request.at);
  const own = {
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${key.accessKeyId}/${signing.scope}`,
    'X-Amz-Date': signing.date,
    'X-Amz-Expires': String(expires),
    'X-Amz-SignedHeaders': 'host',
  };
  const query = [...Object.entries(own), ...url.searchParams]
    .toSorted(([a, x], [b, y]) => (a === b ? (x < y ? -1 : 1) : a < b ? -1 : 1))
    .map(([name, value]) => `${escape(name)}=${escape(value)}`)
    .join('&');
  return `${url.origin}${url.pathname}?${query}&X-Amz-Signature=${signatureOf(signing, request, query, { host: url.host }, 'UNSIGNED-PAYLOAD')}`;
}

/**
 * A PUT with signed chunks: headers and encoded body.
 *
 * @param trailers trailers by lower-case name, signed after the last chunk
 */
export function signedChunks(
  request: HandRequest,
  chunks: readonly Uint8Array[],
  trailers?: Readonly<Record<string, string>>,
): { headers: Record<string, string>; body: Buffer<ArrayBuffer> } {
  const { key, url } = request;
  const signing = signingOf(key, request.at);
  const payload = `STREAMING-AWS4-HMAC-SHA256-PAYLOAD${trailers ? '-TRAILER' : ''}`;
  const length = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  const signed: Record<string, string> = {
    host: url.host,
    'x-amz-content-sha256': payload,
    'x-amz-date': signing.date,
    'x-amz-decoded-content-length': String(length),
    ...(trailers ? { 'x-amz-trailer': Object.keys(trailers).join(',') } : {}),
  };
  let before = signatureOf(signing, request, '', signed, payload);
  const names = Object.keys(signed).toSorted().join(';');
  const authorization = `AWS4-HMAC-SHA256 Credential=${key.accessKeyId}/${signing.scope}, SignedHeaders=${names}, Signature=${before}`;
  const pieces = [...chunks, new Uint8Array()].map((chunk) => {
    before = signing.sign(
      ['AWS4-HMAC-SHA256-PAYLOAD', signing.date, signing.scope, before, hash(''), hash(chunk)].join('\n'),
    );
    const head = Buffer.from(`${chunk.byteLength.toString(16)};chunk-signature=${before}\r\n`);
    // Trailers follow the header of the empty chunk directly.
    return Buffer.concat([head, chunk, Buffer.from(trailers && chunk.byteLength === 0 ? '' : '\r\n')]);
  });
  if (trailers) {
    const canonical = Object.entries(trailers)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => `${name}:${value}\n`)
      .join('');
    const last = signing.sign(
      ['AWS4-HMAC-SHA256-TRAILER', signing.date, signing.scope, before, hash(canonical)].join('\n'),
    );
    const lines = [...Object.entries(trailers), ['x-amz-trailer-signature', last]].map(
      ([name, value]) => `${name}:${value}\r\n`,
    );
    pieces.push(Buffer.from(`${lines.join('')}\r\n`));
  }
  const { host: _, ...headers } = signed;
  return {
    headers: { ...headers, authorization: authorization, 'content-encoding': 'aws-chunked' },
    body: Buffer.concat(pieces),
  };
}

/** The fields of a signed POST form. */
export function signForm(
  key: HandKey,
  bucket: string,
  fields: Readonly<Record<string, string>>,
  { at = Date.now(), conditions = [] }: { at?: number; conditions?: readonly unknown[] } = {},
): Record<string, string> {
  const signing = signingOf(key, at);
  const own = {
    ...fields,
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': `${key.accessKeyId}/${signing.scope}`,
    'x-amz-date': signing.date,
  };
  const named = [{ bucket }, ...Object.entries(own).map(([name, value]) => ({ [name]: value })), ...conditions];
  const policy = Buffer.from(
    JSON.stringify({ expiration: new Date(at + 3_600_000).toISOString(), conditions: named }),
  ).toString('base64');
  return { ...own, policy, 'x-amz-signature': signing.sign(policy) };
}

/** Headers of a request that signs all of them, but not the body. */
export function signHeaders(request: HandRequest, headers: Readonly<Record<string, string>>): Record<string, string> {
  const { key, url } = request;
  const signing = signingOf(key, request.at);
  const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value.trim()]));
  const signed = { ...lower, host: url.host, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', 'x-amz-date': signing.date };
  const query = [...url.searchParams]
    .map(([name, value]) => `${escape(name)}=${escape(value)}`)
    .toSorted()
    .join('&');
  const signature = signatureOf(signing, request, query, signed, 'UNSIGNED-PAYLOAD');
  const names = Object.keys(signed).toSorted().join(';');
  const { host: _, ...sent } = signed;
  return {
    ...sent,
    authorization: `AWS4-HMAC-SHA256 Credential=${key.accessKeyId}/${signing.scope}, SignedHeaders=${names}, Signature=${signature}`,
  };
}

/** Headers of a signed request: the given ones and the signature's. */
export function signByHand(
  request: HandRequest,
  headers: Readonly<Record<string, string>> = {},
  body: string | Uint8Array = '',
): Record<string, string> {
  const { key, url } = request;
  const signing = signingOf(key, request.at);
  const payload = hash(body);
  const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const signed: Record<string, string> = {
    ...lower,
    host: url.host,
    'x-amz-content-sha256': payload,
    'x-amz-date': signing.date,
  };
  const query = [...url.searchParams]
    .map(([name, value]) => [escape(name), escape(value)] as const)
    .toSorted(([a, x], [b, y]) => (a === b ? (x < y ? -1 : 1) : a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
  const signature = signatureOf(signing, request, query, signed, payload);
  const names = Object.keys(signed).toSorted().join(';');
  const { host: _, ...sent } = signed;
  return {
    ...sent,
    authorization: `AWS4-HMAC-SHA256 Credential=${key.accessKeyId}/${signing.scope}, SignedHeaders=${names}, Signature=${signature}`,
  };
}
