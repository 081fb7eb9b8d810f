/** Decodes `aws-chunked` bodies with optional signatures and trailers (Signature Version 4, streaming). */
import { createHash, type Hash } from 'node:crypto';
import { S3Error } from '../errors.ts';
import { algorithm } from './canonical.ts';
import type { SignatureClaim } from './claim.ts';
import { hmac, sameSignature, scopeOf } from './verify.ts';

const modes: Readonly<Record<string, { readonly signed: boolean; readonly trailers: boolean }>> = {
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD': { signed: true, trailers: false },
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER': { signed: true, trailers: true },
  'STREAMING-UNSIGNED-PAYLOAD-TRAILER': { signed: false, trailers: true },
};

/** Maximum bytes of a line, such as a chunk header. */
const longestLine = 4096;
const mostTrailers = 20;
const nothing = createHash('sha256').digest('hex');
const CR = 13;
const LF = 10;

/** Whether the payload placeholder denotes a chunked body. */
export function isChunked(payload: string): boolean {
  return Object.hasOwn(modes, payload);
}

/**
 * Decodes a body incrementally.
 *
 * Output of a signed body is only verified once `end` returns; do not use it before.
 */
export class ChunkDecoder {
  /** Trailers by lower-case name; complete once `end` returns. */
  readonly trailers = new Map<string, string>();
  readonly #mode: { readonly signed: boolean; readonly trailers: boolean };
  readonly #claim: Pick<SignatureClaim, 'date' | 'scope'>;
  readonly #key: Buffer;
  #signature: string;
  #state: 'head' | 'data' | 'gap' | 'trailer' | 'done' = 'head';
  #line = '';
  #left = 0;
  #given = '';
  /** How the previous line ended: after a trailer that ends with a bare line feed, an empty line may belong to it. */
  #ending: 'break' | 'feed' | 'feed and break' = 'break';
  #hash: Hash | undefined;

  /** @throws S3Error for an unknown mode */
  constructor(
    { payload, date, scope, signature }: Pick<SignatureClaim, 'payload' | 'date' | 'scope' | 'signature'>,
    signingKey: Buffer,
  ) {
    if (!isChunked(payload))
      throw new S3Error('InvalidArgument', 'x-amz-content-sha256 names an unknown payload type.');
    this.#mode = modes[payload]!;
    this.#claim = { date, scope };
    this.#key = signingKey;
    this.#signature = signature;
  }

  /**
   * Decodes the next bytes of the body.
   *
   * @throws S3Error for a wrong signature or invalid framing
   */
  *push(bytes: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < bytes.byteLength;) {
      if (this.#state === 'data') {
        const piece = bytes.subarray(at, at + this.#left);
        at += piece.byteLength;
        this.#left -= piece.byteLength;
        this.#hash?.update(piece);
        if (this.#left === 0) this.#state = 'gap';
        yield piece;
        continue;
      }
      if (this.#state === 'done') throw incomplete('There are bytes behind the end of the body.');
      const byte = bytes[at]!;
      at += 1;
      if (byte === LF && this.#line.endsWith('\r')) this.#takeLine(this.#line.slice(0, -1));
      else if (byte === LF && this.#state === 'trailer' && this.#line !== '') this.#takeTrailer(this.#line, true);
      else this.#collect(byte);
    }
  }

  /** @throws S3Error if the body is incomplete */
  end(): void {
    // The last empty line may also have ended the trailers.
    const signed = !this.#mode.signed || this.trailers.has('x-amz-trailer-signature');
    if (signed && this.#state === 'trailer' && this.#ending === 'feed and break' && this.#line === '')
      this.#endTrailers();
    if (this.#state !== 'done') throw incomplete('The body ended before its last chunk.');
  }

  #collect(byte: number): void {
    if (this.#line.length >= longestLine || (byte !== CR && (byte < 32 || this.#line.endsWith('\r'))))
      throw malformed();
    this.#line += String.fromCharCode(byte);
  }

  #takeLine(line: string): void {
    this.#line = '';
    if (this.#state === 'head') this.#takeHead(line);
    else if (this.#state === 'gap') this.#endChunk(line);
    else this.#takeTrailer(line);
  }

  #takeHead(line: string): void {
    const match = /^([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(line);
    if (!match || (this.#mode.signed && match[2] === undefined)) throw malformed();
    this.#left = Number.parseInt(match[1]!, 16);
    this.#given = match[2] ?? '';
    this.#hash = this.#mode.signed ? createHash('sha256') : undefined;
    if (this.#left > 0) {
      this.#state = 'data';
      return;
    }
    this.#checkChunk();
    this.#state = 'trailer';
  }

  #endChunk(line: string): void {
    if (line !== '') throw malformed();
    this.#checkChunk();
    this.#state = 'head';
  }

  #checkChunk(): void {
    if (!this.#hash) return;
    this.#check(`${algorithm}-PAYLOAD`, [nothing, this.#hash.digest('hex')], this.#given);
  }

  /** Some clients end a trailer with a line feed, as it is signed, and then add a line break. */
  #takeTrailer(line: string, loose = false): void {
    this.#line = '';
    const before = this.#ending;
    this.#ending = loose ? 'feed' : before === 'feed' && line === '' ? 'feed and break' : 'break';
    if (line === '') {
      if (before !== 'feed') this.#endTrailers();
      return;
    }
    const match = /^([A-Za-z0-9-]+):(.*)$/.exec(line);
    if (!match || !this.#mode.trailers || this.trailers.size >= mostTrailers) throw malformed();
    const name = match[1]!.toLowerCase();
    if (this.trailers.has(name)) throw malformed();
    this.trailers.set(name, match[2]!.trim());
  }

  #endTrailers(): void {
    const given = this.trailers.get('x-amz-trailer-signature');
    this.trailers.delete('x-amz-trailer-signature');
    if (this.#mode.signed && this.#mode.trailers) {
      if (given === undefined) throw new S3Error('MalformedTrailerError', 'The signature of the trailers is missing.');
      const canonical = [...this.trailers]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, value]) => `${name}:${value}\n`)
        .join('');
      this.#check(`${algorithm}-TRAILER`, [createHash('sha256').update(canonical).digest('hex')], given);
    }
    this.#state = 'done';
  }

  /** Each signature covers the previous one. */
  #check(kind: string, hashes: readonly string[], given: string): void {
    const toSign = [kind, this.#claim.date, scopeOf(this.#claim.scope), this.#signature, ...hashes].join('\n');
    if (!sameSignature(hmac(this.#key, toSign), given))
      throw new S3Error('SignatureDoesNotMatch', 'The signature of a chunk is wrong.', { StringToSign: toSign });
    this.#signature = given;
  }
}

function malformed(): S3Error {
  return new S3Error('IncompleteBody', 'The body is not valid aws-chunked.');
}

function incomplete(message: string): S3Error {
  return new S3Error('IncompleteBody', message);
}
