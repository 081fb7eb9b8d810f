/** Uploads: bytes that arrive. */
import { printDigestField } from '../kit/digest.ts';
import { StowageError } from './error.ts';
import { listed } from './listing.ts';
import { quiet, readJson, type Session } from './session.ts';
import { readText, type Payload } from './transport.ts';
import { view, type UploadView } from './views.ts';

export interface AppendOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds of silence to bear. */
  readonly idle?: number;
  /** Told how many bytes of this append have left. */
  readonly onSent?: (bytes: number) => void;
}

export class Uploads {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** A new upload, of `length` bytes and that sha512 where they are known. One that was begun in vain expires by itself. */
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

  /** The caller's open uploads of bytes that were promised to have that sha512. */
  promised(sha512: string, signal?: AbortSignal): AsyncIterable<UploadView> {
    return listed(this.#session, 'upload', ['upload'], { sha512 }, signal);
  }

  /** Only looks: whoever is writing goes on. */
  async get(uuid: string, signal?: AbortSignal): Promise<UploadView> {
    return view('upload', await this.#session.json({ method: 'GET', path: ['upload', uuid], signal }));
  }

  /**
   * The offset that the next append must name. Whoever is still writing is made to let go first, so the answer holds.
   *
   * One try only: the caller counts its tries.
   */
  async offset(uuid: string, signal?: AbortSignal): Promise<number> {
    const answer = await this.#session.attempt({ method: 'HEAD', path: ['upload', uuid], signal });
    await readText(answer);
    return wholeNumber(answer.header('upload-offset'));
  }

  /**
   * Appends at `offset`; what arrives before a cut is kept. One try only.
   *
   * @returns the size on the server's disk afterwards.
   * @throws StowageError offset_mismatch, with the true offset in `details.offset`.
   */
  async append(uuid: string, offset: number, payload: Payload, options: AppendOptions = {}): Promise<number> {
    const answer = await this.#session.attempt({
      method: 'POST',
      path: ['upload', uuid],
      headers: { 'upload-offset': String(offset) },
      payload,
      signal: options.signal,
      idle: options.idle ?? quiet,
      ...(options.onSent ? { onSent: options.onSent } : {}),
    });
    return wholeNumber(await readJson(answer));
  }

  async truncate(uuid: string, size: number, signal?: AbortSignal): Promise<void> {
    await this.#session.json({ method: 'POST', path: ['upload', uuid, 'truncate', size], signal });
  }

  /** Gives the upload up, with its bytes. */
  async drop(uuid: string, signal?: AbortSignal): Promise<void> {
    await this.#session.json({ method: 'DELETE', path: ['upload', uuid], signal });
  }
}

function wholeNumber(value: unknown): number {
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof number === 'number' && Number.isSafeInteger(number) && number >= 0) return number;
  throw new StowageError('protocol', 'the answer has no offset: is this the address of a Stowage server?');
}
