/** A tus 1.0 upload through a capability URL. */
import { StowageError } from './error.ts';
import { defaultIdle, type ApiCall, type Session } from './session.ts';
import { readAnswerText, type TransportAnswer, type RequestPayload } from './transport.ts';
import type { AppendOptions } from './uploads.ts';

const version = { 'tus-resumable': '1.0.0' };

/** The uploads interface of `send`. The upload is created when its offset is first read. */
export class TusUpload {
  readonly #session: Session;
  readonly #capability: string;
  readonly #length: number;

  /** @param url the creation URL; only its capability is used, at the session's server */
  constructor(session: Session, url: string, length: number) {
    this.#session = session;
    this.#capability = new URL(url).searchParams.get('capability') ?? '';
    this.#length = length;
  }

  async offset(upload: string, signal?: AbortSignal): Promise<number> {
    try {
      return await this.#ask('HEAD', upload, {}, signal);
    } catch (error) {
      if (!(error instanceof StowageError) || error.code !== 'not_found') throw error;
      await this.#begin(signal);
      return 0;
    }
  }

  async append(
    upload: string,
    offset: number,
    payload: RequestPayload,
    { signal, idle = defaultIdle, onSent }: AppendOptions = {},
  ): Promise<number> {
    const headers = { 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' };
    return await this.#ask('PATCH', upload, { headers, payload, idle, ...(onSent ? { onSent } : {}) }, signal);
  }

  async #begin(signal: AbortSignal | undefined): Promise<void> {
    const headers = { ...version, 'upload-length': String(this.#length) };
    await readAnswerText(await this.#attempt({ method: 'POST', path: ['tus'], headers, signal }));
  }

  async #ask(
    method: 'HEAD' | 'PATCH',
    upload: string,
    more: {
      headers?: Record<string, string>;
      payload?: RequestPayload;
      idle?: number;
      onSent?: (bytes: number) => void;
    },
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const answer = await this.#attempt({
      method,
      path: ['tus', upload],
      ...more,
      headers: { ...version, ...more.headers },
      signal,
    });
    await readAnswerText(answer);
    return offsetOf(answer);
  }

  async #attempt(call: ApiCall): Promise<TransportAnswer> {
    try {
      return await this.#session.attempt({ ...call, query: { capability: this.#capability } });
    } catch (error) {
      // Another client writes to this upload or has just finished it; a retry reads the offset again.
      if (error instanceof StowageError && error.code === 'conflict')
        throw new StowageError('superseded', error.message, { cause: error });
      throw error;
    }
  }
}

function offsetOf(answer: TransportAnswer): number {
  const offset = answer.header('upload-offset');
  if (offset === undefined || !/^\d{1,16}$/.test(offset))
    throw new StowageError('protocol', 'the answer does not name the upload');
  return Number(offset);
}
