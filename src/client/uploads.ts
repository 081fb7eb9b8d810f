/** Uploads: incoming bytes. */
import { printDigestField } from '../kit/digest.ts';
import { StowageError } from './error.ts';
import { listed } from './listing.ts';
import { defaultIdle, readJson, type Session } from './session.ts';
import { readAnswerText, type RequestPayload } from './transport.ts';
import { view, type UploadView } from './views.ts';

export interface AppendOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds without traffic after which a connection counts as dead. */
  readonly idle?: number;
  /** Called with the number of bytes of this append that were sent. */
  readonly onSent?: (bytes: number) => void;
}

export class Uploads {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Begins an upload, with length and sha512 if they are known. An unused upload expires. */
  async begin(length?: number, sha512?: string, signal?: AbortSignal): Promise<UploadView> {
    const headers = {
      ...(length === undefined ? {} : { 'upload-length': String(length) }),
      ...(sha512 === undefined ? {} : { 'repr-digest': printDigestField({ algorithm: 'sha512', hex: sha512 }) }),
    };
    return view('upload', await this.#session.json({ method: 'POST', path: ['upload'], headers, signal }));
  }

  /** The caller's open uploads. */
  list(signal?: AbortSignal): AsyncIterable<UploadView> {
    return listed(this.#session, 'upload', ['upload'], {}, signal);
  }

  /** The caller's open uploads that declared this sha512. */
  promised(sha512: string, signal?: AbortSignal): AsyncIterable<UploadView> {
    return listed(this.#session, 'upload', ['upload'], { sha512 }, signal);
  }

  /** Reads the upload without fencing a running append. */
  async get(uuid: string, signal?: AbortSignal): Promise<UploadView> {
    return view('upload', await this.#session.json({ method: 'GET', path: ['upload', uuid], signal }));
  }

  /**
   * The offset of the next append. The server fences a running append first, so the offset is final.
   *
   * Does not retry: the caller counts its tries.
   */
  async offset(uuid: string, signal?: AbortSignal): Promise<number> {
    const answer = await this.#session.attempt({ method: 'HEAD', path: ['upload', uuid], signal });
    await readAnswerText(answer);
    return wholeNumber(answer.header('upload-offset'));
  }

  /**
   * Appends at `offset`; the server keeps what arrives before a cut. Does not retry.
   *
   * @returns the durable size afterwards
   * @throws StowageError offset_mismatch, with the true offset in `details.offset`
   */
  async append(uuid: string, offset: number, payload: RequestPayload, options: AppendOptions = {}): Promise<number> {
    const answer = await this.#session.attempt({
      method: 'POST',
      path: ['upload', uuid],
      headers: { 'upload-offset': String(offset) },
      payload,
      signal: options.signal,
      idle: options.idle ?? defaultIdle,
      ...(options.onSent ? { onSent: options.onSent } : {}),
    });
    return wholeNumber(await readJson(answer));
  }

  async truncate(uuid: string, size: number, signal?: AbortSignal): Promise<void> {
    await this.#session.json({ method: 'POST', path: ['upload', uuid, 'truncate', size], signal });
  }

  /** Drops the upload and its bytes. */
  async drop(uuid: string, signal?: AbortSignal): Promise<void> {
    await this.#session.json({ method: 'DELETE', path: ['upload', uuid], signal });
  }
}

function wholeNumber(value: unknown): number {
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof number === 'number' && Number.isSafeInteger(number) && number >= 0) return number;
  throw new StowageError('protocol', 'the answer has no offset: is this the address of a Stowage server?');
}
