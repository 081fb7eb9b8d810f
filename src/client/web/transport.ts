/** The transport over fetch, for browsers and other platforms. */
import { StowageError, abortedError } from '../error.ts';
import type { TransportAnswer, Outgoing, RequestPayload, Transport } from '../transport.ts';

/**
 * A transport over `fetch`.
 *
 * Fetch cannot report how much was sent, and streams a body only over HTTP/2. So a body is one Blob or array, and
 * `idle` limits the time to the first byte of the response and each pause after it.
 */
export function fetchTransport(fetch: typeof globalThis.fetch = globalThis.fetch.bind(globalThis)): Transport {
  return async (request) => {
    const watch = new Watch(request);
    try {
      const body =
        request.body === undefined || typeof request.body === 'string' ? request.body : await wholeOf(request.body);
      const answer = await fetch(request.url, {
        method: request.method,
        headers: { ...request.headers },
        signal: watch.signal,
        redirect: 'follow',
        ...(body === undefined ? {} : { body }),
      });
      if (request.body && typeof request.body !== 'string') request.onSent?.(request.body.size);
      return incoming(answer, watch);
    } catch (error) {
      watch.done();
      throw watch.explain(error);
    }
  };
}

async function wholeOf(payload: RequestPayload): Promise<Blob | Uint8Array<ArrayBuffer>> {
  if (payload.whole) return payload.whole;
  const bytes = new Uint8Array(payload.size);
  let at = 0;
  for await (const piece of payload.pieces()) {
    bytes.set(piece, at);
    at += piece.byteLength;
  }
  return bytes;
}

function incoming(answer: Response, watch: Watch): TransportAnswer {
  return {
    status: answer.status,
    header: (name) => answer.headers.get(name) ?? undefined,
    body: bodyOf(answer, watch),
    discard: () => {
      watch.done();
      watch.stop();
    },
  };
}

async function* bodyOf(answer: Response, watch: Watch): AsyncGenerator<Uint8Array> {
  const reader = answer.body?.getReader();
  let ended = !reader;
  try {
    while (reader) {
      watch.touch();
      const { done, value } = await reader.read();
      if (done) break;
      yield value;
    }
    ended = true;
  } catch (error) {
    throw watch.explain(error);
  } finally {
    watch.done();
    if (!ended) watch.stop();
  }
}

/** Combines the caller's signal and the idle timeout into one signal. */
class Watch {
  readonly #stopper = new AbortController();
  readonly #request: Outgoing;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #silent = false;
  readonly #onAbort = (): void => this.#stopper.abort();

  constructor(request: Outgoing) {
    this.#request = request;
    if (request.signal?.aborted) this.#stopper.abort();
    request.signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.touch();
  }

  get signal(): AbortSignal {
    return this.#stopper.signal;
  }

  touch(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#silent = true;
      this.#stopper.abort();
    }, this.#request.idle);
  }

  stop(): void {
    this.#stopper.abort();
  }

  done(): void {
    clearTimeout(this.#timer);
    this.#request.signal?.removeEventListener('abort', this.#onAbort);
  }

  explain(error: unknown): StowageError {
    if (error instanceof StowageError) return error;
    if (this.#request.signal?.aborted) return abortedError(this.#request.signal);
    if (this.#silent)
      return new StowageError('timeout', `no bytes moved for ${this.#request.idle / 1000} s`, { cause: error });
    return new StowageError(
      'network',
      `${new URL(this.#request.url).host} cannot be reached, or the connection broke`,
      {
        cause: error,
      },
    );
  }
}
