/** Blobs: sealed bytes. */
import type { Algorithm } from '../kit/digest.ts';
import { StowageError } from './error.ts';
import { listed } from './listing.ts';
import { Metadata } from './metadata.ts';
import { slowIdle, type Session } from './session.ts';
import { readAnswerText, type TransportAnswer } from './transport.ts';
import { view, type BlobView } from './views.ts';

/** The metadata in the headers of a download. */
export interface BlobHead {
  readonly uuid: string;
  /** Bytes. */
  readonly size: number;
  /** Hex. */
  readonly sha512: string;
  readonly mediaType: string;
}

export class Blobs {
  readonly #session: Session;
  readonly metadata: Metadata;

  constructor(session: Session) {
    this.#session = session;
    this.metadata = new Metadata(session, ['blobs']);
  }

  /** Every blob; only for the system namespace. */
  list(signal?: AbortSignal): AsyncIterable<BlobView> {
    return listed(this.#session, 'blob', ['blobs'], {}, signal);
  }

  async get(uuid: string, signal?: AbortSignal): Promise<BlobView> {
    return view('blob', await this.#session.json({ method: 'GET', path: ['blobs', uuid], signal }));
  }

  /** A blob with this digest that the caller may see. */
  async find(algorithm: Algorithm, hex: string, signal?: AbortSignal): Promise<BlobView | undefined> {
    const found = await this.#session.json({ method: 'GET', path: ['blob_checksums', algorithm, hex], signal });
    return found === null ? undefined : view('blob', found);
  }

  /** A digest of the blob in hex. The server computes it on the first request. */
  async checksum(uuid: string, algorithm: Algorithm): Promise<string> {
    const found = await this.#session.json({
      method: 'GET',
      path: ['blobs', uuid, 'checksum', algorithm],
      idle: slowIdle,
    });
    const checksum = (found as { checksum?: unknown } | null)?.checksum;
    if (typeof checksum === 'string') return checksum;
    throw new StowageError('protocol', 'the answer is not a checksum');
  }

  /** Headers of the download of a blob. */
  async head(uuid: string, signal?: AbortSignal): Promise<BlobHead> {
    return await this.#head(['blobs', uuid, 'data'], signal);
  }

  /** Headers of the download of an artifact by name or uuid: the newest version, or version `version`. */
  async headOf(ref: string, version: number | undefined, signal?: AbortSignal): Promise<BlobHead> {
    return await this.#head(
      ['artifacts', ref, ...(version === undefined ? [] : ['versions', version]), 'data'],
      signal,
    );
  }

  /**
   * Downloads from byte `from` on. Does not retry: the caller knows how far it came.
   *
   * @returns status 206 from `from`, or 200 from the start if a proxy ignores ranges
   */
  async open(head: BlobHead, from: number, signal?: AbortSignal): Promise<TransportAnswer> {
    const headers = { range: `bytes=${from}-`, 'if-range': `"${head.sha512}"` };
    return await this.#session.attempt({ method: 'GET', path: ['blobs', head.uuid, 'data'], headers, signal });
  }

  async #head(path: readonly (string | number)[], signal: AbortSignal | undefined): Promise<BlobHead> {
    return await this.#session.ask({ method: 'HEAD', path, signal }, async (answer) => {
      await readAnswerText(answer);
      const uuid = answer.header('x-blob-uuid');
      const size = answer.header('x-blob-size') ?? answer.header('content-length');
      const sha512 = /^"([0-9a-f]{128})"$/.exec(answer.header('etag') ?? '')?.[1];
      if (!uuid || !sha512 || size === undefined || !/^\d+$/.test(size)) {
        throw new StowageError('protocol', 'the answer does not say which bytes it has');
      }
      return {
        uuid,
        size: Number(size),
        sha512,
        mediaType: answer.header('content-type') ?? 'application/octet-stream',
      };
    });
  }
}
