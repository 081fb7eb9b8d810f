import type { IncomingMessage } from 'node:http';

/** Reads a body to its end; throws when it breaks off. */
export async function whole(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Counts whole HTTP/1.1 requests in a stream of bytes, by their heads and `Content-Length`. Chunked bodies it does not know. */
export class RequestCounter {
  #whole = 0;
  #head = '';
  /** Bytes of the body still to come; undefined while a head is being read. */
  #body: number | undefined;

  /** Takes the next bytes; answers how many requests are whole by now. */
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
