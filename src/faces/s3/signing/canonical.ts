/** The canonical request of Signature Version 4 in S3's variant. */
import { createHash } from 'node:crypto';
import { isStorable } from '../../../kit/text.ts';
import { S3Error } from '../errors.ts';

/** A request as sent: not decoded, joined or sorted. */
export interface RawRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** Alternating names and values, as in Node's `rawHeaders`. */
  readonly headers: readonly string[];
}

export const algorithm = 'AWS4-HMAC-SHA256';

/** Percent-encodes UTF-8 except letters, digits and `-._~` (RFC 3986). */
export function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/**
 * Percent-decodes a text; a plus sign is literal. Control characters are allowed in keys, except U+0000.
 *
 * @throws S3Error unless it is percent-encoded UTF-8 without U+0000
 */
export function decode(text: string, of = 'path or the query'): string {
  let decoded: string;
  try {
    if (/[^\x21-\x7e]/.test(text)) throw new URIError('not encoded');
    decoded = decodeURIComponent(text);
  } catch {
    throw new S3Error('InvalidURI', `The ${of} is not percent-encoded UTF-8.`);
  }
  if (!isStorable(decoded)) throw new S3Error('InvalidURI', `The ${of} has U+0000.`);
  return decoded;
}

/** The decoded query parameters, in order; without `=` the value is empty. */
export function queryOf(target: string): readonly (readonly [name: string, value: string])[] {
  const query = target.split('?').slice(1).join('?');
  if (query === '') return [];
  return query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const [name = '', ...value] = pair.split('=');
      return [decode(name), decode(value.join('='))] as const;
    });
}

export function pathOf(target: string): string {
  return target.split('?')[0]!;
}

/** The values of a header, in order of arrival. */
export function valuesOf(headers: readonly string[], name: string): string[] {
  const found: string[] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) {
    if (headers[at]!.toLowerCase() === name) found.push(headers[at + 1]!);
  }
  return found;
}

/**
 * The canonical request.
 *
 * @param signed sorted lower-case names of the signed headers
 * @param payload hash of the body in hex, or its placeholder
 * @throws S3Error if a signed header is missing
 */
export function canonicalRequest(
  request: RawRequest,
  signed: readonly string[],
  payload: string,
  path = pathOf(request.target),
): string {
  const query = queryOf(request.target)
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => [encode(name), encode(value)] as const)
    .toSorted(([a, x], [b, y]) => order(a, b) || order(x, y));
  const headers = signed.map((name) => {
    const values = valuesOf(request.headers, name);
    if (values.length === 0)
      throw new S3Error('SignatureDoesNotMatch', `SignedHeaders names ${name}, which the request does not have.`);
    return `${name}:${values.map((value) => value.trim().replaceAll(/\s+/g, ' ')).join(',')}\n`;
  });
  return [
    request.method,
    path,
    query.map(([name, value]) => `${name}=${value}`).join('&'),
    headers.join(''),
    signed.join(';'),
    payload,
  ].join('\n');
}

/** The paths that a client may have signed: as sent, and fully encoded. Both address the same key. */
export function signablePaths(target: string): string[] {
  const sent = pathOf(target);
  const encoded = sent
    .split('/')
    .map((segment) => encode(decode(segment)))
    .join('/');
  return sent === encoded ? [sent] : [sent, encoded];
}

export function stringToSign(date: string, scope: string, request: string): string {
  return [algorithm, date, scope, createHash('sha256').update(request).digest('hex')].join('\n');
}

/** By code units, which equals byte order for encoded text. */
function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
