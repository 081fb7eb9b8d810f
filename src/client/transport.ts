/** How requests travel: the smallest thing that both a browser's fetch and node:http can be. */

/** Bytes to send. */
export interface Payload {
  /** Bytes. */
  readonly size: number;
  /**
   * The bytes, in order; may be asked for again when a request is repeated.
   *
   * A piece may be overwritten once {@link KEPT} further pieces have been asked for, so that a file is read into few buffers.
   */
  pieces(): AsyncIterable<Uint8Array>;
  /** The same bytes as one thing that the platform sends by itself, where there is such a thing. */
  readonly whole?: Blob | Uint8Array<ArrayBuffer>;
}

/** How many pieces of a payload stay untouched behind the newest one. */
export const KEPT = 2;

export interface Outgoing {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Payload;
  readonly signal?: AbortSignal;
  /** Milliseconds without a byte in either direction after which the request is given up. */
  readonly idle: number;
  /** Told how many bytes of the body have left so far; not what has arrived. */
  readonly onSent?: (bytes: number) => void;
}

export interface Incoming {
  readonly status: number;
  /** A header's value by lower-case name. */
  header(name: string): string | undefined;
  /** The answer's body. Throws StowageError `network` where the connection is cut before its end. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Lets go of the rest of the body. */
  discard(): void;
}

/** Sends one request and gives its answer, whatever the status. @throws StowageError network, timeout or aborted. */
export type Transport = (request: Outgoing) => Promise<Incoming>;

/** No JSON answer of a Stowage server is larger; anything that is comes from elsewhere. */
const textLimit = 64 * 1024 * 1024;

/** The whole body as text. */
export async function readText(answer: Incoming): Promise<string> {
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
