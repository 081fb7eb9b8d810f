/** The request interface that both browser fetch and node:http can implement. */

/** A request body. */
export interface RequestPayload {
  /** Bytes. */
  readonly size: number;
  /**
   * The bytes, in order; called again when the request is repeated.
   *
   * A piece may be overwritten once {@link KEPT} further pieces were requested, so that few buffers suffice.
   */
  pieces(): AsyncIterable<Uint8Array>;
  /** The same bytes as one object that the platform can send directly, if there is one. */
  readonly whole?: Blob | Uint8Array<ArrayBuffer>;
}

/** Number of pieces before the newest that stay unchanged. */
export const KEPT = 2;

export interface Outgoing {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | RequestPayload;
  readonly signal?: AbortSignal;
  /** Milliseconds without traffic in either direction after which the request fails. */
  readonly idle: number;
  /** Called with the number of body bytes sent so far; they may not have arrived. */
  readonly onSent?: (bytes: number) => void;
}

export interface TransportAnswer {
  readonly status: number;
  /** A header's value by lower-case name. */
  header(name: string): string | undefined;
  /** The response body. Throws StowageError `network` if the connection is cut. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Drops the rest of the body. */
  discard(): void;
}

/** Sends one request and returns its response, whatever the status. @throws StowageError network, timeout or aborted */
export type Transport = (request: Outgoing) => Promise<TransportAnswer>;

/** Maximum bytes of a text response; Stowage's JSON is never larger. */
const textLimit = 64 * 1024 * 1024;

/** The whole body as text. */
export async function readAnswerText(answer: TransportAnswer): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  for await (const piece of answer.body) {
    size += piece.byteLength;
    if (size > textLimit) throw new RangeError('the answer is too long');
    text += decoder.decode(piece, { stream: true });
  }
  return text + decoder.decode();
}
