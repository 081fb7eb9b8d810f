import type { IncomingMessage } from 'node:http';

/** Reads a body to its end; throws if it is cut. */
export async function whole(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Counts whole HTTP/1.1 requests in a byte stream by `Content-Length`; chunked bodies are not supported. */
export class RequestCounter {
  #whole = 0;
  #head = '';
  /** Bytes of the body still missing; undefined while a head is read. */
  #body: number | undefined;

  /** Takes the next bytes. @returns the number of whole requests so far */
  take(bytes: Buffer): number {
    let rest = bytes;
    while (rest.length > 0) {
      rest = this.#body === undefined ? this.#takeHead(rest) : this.#takeBody(rest);
    }
    return this.#whole;
  }

  #takeHead(bytes: Buffer): Buffer {
    const before = this.#head.length;
    this.#head += bytes.toString('latin1');
    const end = this.#head.indexOf('\r\n\r\n');
    if (end < 0) return bytes.subarray(bytes.length);
    const length = Number(/\r\ncontent-length:[ \t]*(\d+)/i.exec(this.#head.slice(0, end))?.[1] ?? 0);
    this.#head = '';
    this.#setBody(length);
    return bytes.subarray(end + 4 - before);
  }

  #takeBody(bytes: Buffer): Buffer {
    const piece = bytes.subarray(0, this.#body);
    this.#setBody(this.#body! - piece.length);
    return bytes.subarray(piece.length);
  }

  #setBody(left: number): void {
    this.#body = left > 0 ? left : undefined;
    if (left === 0) this.#whole += 1;
  }
}
