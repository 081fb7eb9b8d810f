/** An authenticated S3 request. */
import type { Request, Response } from 'express';
import type { Core } from '../../core/index.ts';
import type { Body } from '../../core/bytes/ingest.ts';
import type { Principal } from '../../core/records.ts';
import { sendAnswer } from '../../http/responses.ts';
import { isFieldName, storedField } from '../../http/header-fields.ts';
import { hasBody, type Incoming } from '../../http/incoming.ts';
import type { Lifetime } from '../../http/lifetime.ts';
import type { Digest } from '../../kit/digest.ts';
import { newHash } from '../../kit/hashing.ts';
import { isEmptyChecksum, DeclaredDigests, type Checksums, type HeaderOf } from './checksums.ts';
import { invalidArgument, S3Error } from './errors.ts';
import type { RequestBuckets } from './request-buckets.ts';
import { readAs, type Document } from './schema.ts';
import { ChunkDecoder, isChunked } from './signing/chunks.ts';
import type { Signed } from './signing/verify.ts';
import { utf8 } from '../../kit/text.ts';
import { document, malformed, type Elements } from './xml.ts';

/** What every operation uses. */
export interface Context {
  readonly core: Core;
  readonly lifetime: Lifetime;
  readonly region: string;
}

/** Maximum bytes of a body. */
const largestBody = 5 * 1024 ** 3;

/** A decoded body and the checks of its digests. */
export interface Payload {
  readonly body: Body;
  readonly promised: DeclaredDigests;
  /** Checks the digests after the body is read. @returns the checksums to store */
  verify(measured: readonly Digest[]): Checksums;
}

export interface S3Call extends Context {
  readonly buckets: RequestBuckets;
  readonly req: Request;
  readonly res: Response;
  readonly who: Principal;
  readonly signed: Signed | undefined;
  readonly bucket: string;
  readonly key: string;
  /** The first value of each name. */
  readonly query: ReadonlyMap<string, string>;
  /** Form fields that replace headers, by lower-case name. */
  readonly fields?: ReadonlyMap<string, string>;
}

/** Lower-case names of all headers, including those in the query of a presigned URL. */
export function requestHeaders(
  req: Request,
  query: readonly (readonly [name: string, value: string])[],
  presigned: boolean,
): string[] {
  const hoisted = presigned
    ? query.map(([name]) => name.toLowerCase()).filter((name) => name.startsWith('x-amz-'))
    : [];
  // Some clients send the checksum of an empty body with a request without body; it is correct.
  const own = Object.entries(req.headers).filter(
    ([name, value]) => hasBody(req) || !isEmptyChecksum(name, String(value)),
  );
  return [...new Set([...own.map(([name]) => name), ...hoisted])];
}

/** Maximum bytes of a key. */
const longestKey = 1024;

/** @throws S3Error `KeyTooLongError` */
export function demandKey(key: string): void {
  const size = Buffer.byteLength(key);
  if (size <= longestKey) return;
  throw new S3Error('KeyTooLongError', 'Your key is too long', {
    Size: String(size),
    MaxSizeAllowed: String(longestKey),
  });
}

/** A header, or the form field or presigned parameter that replaces it. */
export function headerOf(call: S3Call, name: string): string | undefined {
  return lookUp(call, name)?.value;
}

/** The origin of a header value: bytes from the wire, or text from forms and queries. */
interface Found {
  readonly value: string;
  readonly source: 'wire' | 'text';
}

function lookUp({ req, signed, query, fields }: S3Call, name: string): Found | undefined {
  const value = fields ? undefined : req.headers[name];
  if (value !== undefined) return { value: Array.isArray(value) ? value.join(', ') : value, source: 'wire' };
  const text = fields
    ? fields.get(name)
    : signed?.claim.form === 'query' && name.startsWith('x-amz-')
      ? parameterOf(query, name)
      : undefined;
  return text === undefined ? undefined : { value: text, source: 'text' };
}

function parameterOf(query: ReadonlyMap<string, string>, name: string): string | undefined {
  for (const [other, text] of query) if (other.toLowerCase() === name) return text;
  return undefined;
}

/** A boolean header; false if absent. @throws S3Error `InvalidArgument` */
export function flagOf(call: S3Call, name: string): boolean {
  const value = headerOf(call, name);
  if (value === undefined || /^false$/i.test(value)) return false;
  if (!/^true$/i.test(value)) throw invalidArgument(`${name} must be true or false.`, name, value);
  return true;
}

/** Whether the value comes only from the query of a presigned URL. */
export function isHoisted({ req, fields }: S3Call, name: string): boolean {
  return !fields && req.headers[name] === undefined;
}

/** A header that is stored with the object. @throws Refusal `malformed` for control characters */
export function keptHeader(call: S3Call, name: string): string | undefined {
  const found = lookUp(call, name);
  return found && storedField(found.value, found.source, name);
}

/** Stored headers with a prefix, by the rest of their name. @throws Refusal `malformed` for an invalid name or value */
export function keptHeaders(call: S3Call, prefix: string): Record<string, string> {
  return Object.fromEntries(
    headerNames(call, prefix).map((name) => {
      const rest = name.slice(prefix.length);
      if (!isFieldName(rest)) throw new S3Error('InvalidArgument', `${prefix} is followed by an invalid header name.`);
      return [rest, keptHeader(call, name)!] as const;
    }),
  );
}

/** Lower-case names of headers with a prefix. */
export function headerNames(call: S3Call, prefix: string): string[] {
  const own = call.fields ? [...call.fields.keys()] : Object.keys(call.req.headers);
  const hoisted =
    call.fields || call.signed?.claim.form !== 'query' ? [] : [...call.query.keys()].map((name) => name.toLowerCase());
  return [...new Set([...own, ...hoisted])].filter((name) => name.startsWith(prefix));
}

/** How the body is checked. */
interface PayloadOptions {
  /** Source of the declared digests; default: the request's headers. */
  readonly header?: HeaderOf;
  /** Checksum to store if the request declares none. */
  readonly keep?: string | undefined;
}

/**
 * A header about the body. Presigners without a body put the checksum of an empty body and its algorithm into the URL;
 * both are ignored.
 */
function promisedHeader(call: S3Call, name: string): string | undefined {
  const value = headerOf(call, name);
  if (value === undefined || !isHoisted(call, name)) return value;
  return name === 'x-amz-sdk-checksum-algorithm' || isEmptyChecksum(name, value) ? undefined : value;
}

/** @throws S3Error if the body's length is missing or too large */
export function payloadOf(
  call: S3Call,
  { header = (name) => promisedHeader(call, name), keep }: PayloadOptions = {},
): Payload {
  const { req, res, signed, lifetime } = call;
  const stated = signed?.claim.payload ?? headerOf(call, 'x-amz-content-sha256') ?? 'UNSIGNED-PAYLOAD';
  const chunked = isChunked(stated);
  const length = lengthOf(call, chunked);
  const sha256 = /^[0-9a-f]{64}$/.test(stated) ? stated : undefined;
  if (!chunked && stated !== 'UNSIGNED-PAYLOAD' && sha256 === undefined) {
    throw new S3Error(
      'InvalidArgument',
      'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a way of streaming, or a valid sha256 value.',
    );
  }
  if (chunked && (header('content-digest') ?? header('repr-digest')) !== undefined) {
    throw new S3Error('InvalidRequest', 'Digest fields cannot be combined with aws-chunked.');
  }
  const promised = new DeclaredDigests(header, sha256, keep);
  if (!chunked) {
    const body = lifetime.body(req, res);
    return { body, promised, verify: (measured) => promised.verify(measured, new Map()) };
  }
  const decoder = decoderOf(signed, stated);
  const body = new Unchunked(lifetime.body(req, res), decoder, length);
  return { body, promised, verify: (measured) => promised.verify(measured, decoder.trailers) };
}

/** Bytes of a body without chunk framing. @throws S3Error `MissingContentLength`, `EntityTooLarge` */
function lengthOf(call: S3Call, chunked: boolean): number {
  const { headers } = call.req;
  const told = chunked
    ? headerOf(call, 'x-amz-decoded-content-length')
    : (headers['content-length'] ?? (hasBody(call.req) ? undefined : 0));
  const length = Number(told);
  if (!Number.isSafeInteger(length) || length < 0)
    throw new S3Error('MissingContentLength', 'You must provide the Content-Length HTTP header.');
  if (length > largestBody)
    throw new S3Error('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size', {
      ProposedSize: String(length),
      MaxSizeAllowed: String(largestBody),
    });
  return length;
}

/** @throws S3Error `AccessDenied` for signed chunks of an unsigned request */
function decoderOf(signed: Signed | undefined, payload: string): ChunkDecoder {
  if (signed) return new ChunkDecoder({ ...signed.claim, payload }, signed.signingKey);
  if (payload !== 'STREAMING-UNSIGNED-PAYLOAD-TRAILER')
    throw new S3Error('AccessDenied', 'An unsigned request cannot have signed chunks.');
  return new ChunkDecoder({ date: '', scope: { date: '', region: '' }, signature: '', payload }, Buffer.alloc(32));
}

/** The content of an aws-chunked body. */
class Unchunked implements Body {
  readonly length: number;
  readonly #raw: Incoming;
  readonly #decoder: ChunkDecoder;

  constructor(raw: Incoming, decoder: ChunkDecoder, length: number) {
    this.length = length;
    this.#raw = raw;
    this.#decoder = decoder;
  }

  get cut(): Error | undefined {
    return this.#raw.cut;
  }

  stop(reason: Error): void {
    this.#raw.stop(reason);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    let seen = 0;
    for await (const bytes of this.#raw) {
      for (const piece of this.#decoder.push(bytes)) {
        seen += piece.byteLength;
        yield piece;
      }
    }
    if (this.#raw.cut) return;
    this.#decoder.end();
    if (seen !== this.length)
      throw new S3Error(
        'IncompleteBody',
        'You did not provide the number of bytes specified by x-amz-decoded-content-length.',
      );
  }
}

/** Reads a document from a body and checks its digests. */
export async function readDocument<T>(call: S3Call, document: Document<T>, header?: HeaderOf): Promise<T> {
  return readAs(document, await readText(call, document.size, header));
}

/** @throws S3Error `MalformedXML` unless the body is UTF-8; replacement characters would change keys */
export async function readText(call: S3Call, most: number, header?: HeaderOf): Promise<string> {
  const { body, promised, verify } = payloadOf(call, header && { header });
  if ((body.length ?? 0) > most)
    throw new S3Error('MaxMessageLengthExceeded', undefined, { MaxMessageLengthBytes: String(most) });
  const hashes = await Promise.all(
    promised.measure.map(async (algorithm) => ({ algorithm, hash: await newHash(algorithm) })),
  );
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) {
    for (const { hash } of hashes) hash.update(chunk);
    chunks.push(chunk.slice());
  }
  if (body.cut) throw body.cut;
  verify(hashes.map(({ algorithm, hash }) => ({ algorithm, hex: hash.digest('hex') })));
  const text = utf8(Buffer.concat(chunks));
  if (text === undefined) throw malformed('The document must be UTF-8.');
  return text;
}

/** Responds with an XML document. */
export function sendDocument(
  { req, res }: S3Call,
  root: string,
  all: Elements,
  headers: Record<string, string> = {},
): void {
  sendAnswer(req, res, { status: 200, headers, type: 'application/xml', text: document(root, all) });
}

export function sendEmpty({ req, res }: S3Call, status: number, headers: Record<string, string | number> = {}): void {
  sendAnswer(req, res, { status, headers });
}
