/**
 * The load generator's HTTP: one keep-alive connection, one request at a time, straight on a socket.
 *
 * It does as little as possible, because on a small machine it takes its CPU time from the server it measures.
 */
import { connect, type Socket } from 'node:net';

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body, unless it was only counted. */
  readonly body: Buffer;
  readonly length: number;
}

/** Bytes to send: how many, and in which pieces. */
export interface Body {
  readonly length: number;
  readonly pieces: Iterable<Uint8Array>;
}

/** `length` bytes, made of the same block over and over. */
export function repeated(block: Uint8Array, length: number): Body {
  return {
    length,
    pieces: (function* () {
      for (let left = length; left > 0; left -= block.length)
        yield left < block.length ? block.subarray(0, left) : block;
    })(),
  };
}

export function text(json: unknown): Body {
  const bytes = Buffer.from(JSON.stringify(json));
  return { length: bytes.length, pieces: [bytes] };
}

export class Wire {
  #socket: Socket;
  readonly #port: number;
  /** The server said that it closes the connection; the next request takes a new one. */
  #ended = false;
  #reader: AnswerReader | undefined;
  #settle: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined;
  #fault: Error | undefined;
  /** Continues a body that waits for room in the socket, or for its end. */
  #goOn: () => void = () => undefined;

  private constructor(socket: Socket, port: number) {
    this.#port = port;
    this.#socket = this.#attend(socket);
  }

  static async open(port: number): Promise<Wire> {
    return new Wire(await dial(port), port);
  }

  #attend(socket: Socket): Socket {
    const whileAt = (work: () => void) => (): void => {
      if (this.#socket === socket && !this.#ended) work();
    };
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#take(chunk));
    socket.on('drain', () => this.#goOn());
    socket.on('error', (error) => whileAt(() => this.#fail(error))());
    socket.on(
      'close',
      whileAt(() => this.#fail(new Error('the server closed the connection'))),
    );
    return socket;
  }

  /** Sends a request and reads its answer; with `keep` false the answer's body is counted and thrown away. */
  async send(request: Request, body?: Body, keep = true): Promise<Answer> {
    if (this.#fault) throw this.#fault;
    if (this.#ended) {
      this.#socket.destroy();
      this.#socket = this.#attend(await dial(this.#port));
      this.#ended = false;
    }
    const answer = new Promise<Answer>((resolve, reject) => (this.#settle = { resolve, reject }));
    // Whoever waits for the answer hears of its failure; writing below may see the failure first.
    answer.catch(() => undefined);
    this.#reader = new AnswerReader(keep);
    const lines = [`${request.method} ${request.path} HTTP/1.1`, `Host: 127.0.0.1:${this.#port}`];
    for (const [name, value] of Object.entries(request.headers ?? {})) lines.push(`${name}: ${value}`);
    if (body || request.method !== 'GET') lines.push(`Content-Length: ${body?.length ?? 0}`);
    this.#socket.cork();
    this.#socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    if (body) await this.#write(body.pieces);
    this.#socket.uncork();
    return answer;
  }

  close(): void {
    this.#socket.destroy();
  }

  async #write(pieces: Iterable<Uint8Array>): Promise<void> {
    let corked = true;
    for (const piece of pieces) {
      const room = this.#socket.write(piece);
      // Head and first piece leave together, the rest as they come.
      if (corked) this.#socket.uncork();
      corked = false;
      if (!room && !this.#fault) await new Promise<void>((resolve) => (this.#goOn = resolve));
      if (this.#fault) throw this.#fault;
    }
  }

  #take(chunk: Buffer): void {
    const answer = this.#reader?.take(chunk);
    if (!answer) return;
    this.#reader = undefined;
    this.#ended = answer.headers['connection']?.toLowerCase() === 'close';
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.resolve(answer);
  }

  #fail(error: Error): void {
    this.#fault ??= error;
    this.#settle?.reject(this.#fault);
    this.#goOn();
  }
}

function dial(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => resolve(socket.off('error', reject)));
    socket.once('error', reject);
  });
}

/** Reads one answer: head, then a body with a length or in chunks. */
class AnswerReader {
  readonly #keep: boolean;
  readonly #kept: Buffer[] = [];
  #head: Buffer = Buffer.alloc(0);
  #status = 0;
  #headers: Record<string, string> = {};
  #length = 0;
  /** Bytes still to come: of the body, or of the chunk at hand with the line end behind it. */
  #left = 0;
  #chunked = false;
  #inHead = true;
  /** A chunk's size line as far as it came. */
  #line = '';
  #last = false;

  constructor(keep: boolean) {
    this.#keep = keep;
  }

  /** Takes bytes; answers once the answer is whole. */
  take(chunk: Buffer): Answer | undefined {
    let rest = chunk;
    if (this.#inHead) {
      this.#head = this.#head.length ? Buffer.concat([this.#head, chunk]) : chunk;
      const end = this.#head.indexOf('\r\n\r\n');
      if (end < 0) return undefined;
      this.#readHead(this.#head.toString('latin1', 0, end));
      rest = this.#head.subarray(end + 4);
    }
    if (this.#chunked ? this.#takeChunks(rest) : this.#takePlain(rest)) {
      return { status: this.#status, headers: this.#headers, body: Buffer.concat(this.#kept), length: this.#length };
    }
    return undefined;
  }

  #readHead(head: string): void {
    const [first = '', ...lines] = head.split('\r\n');
    this.#inHead = false;
    this.#status = Number(first.split(' ')[1]);
    for (const line of lines) {
      const colon = line.indexOf(':');
      this.#headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    this.#chunked = this.#headers['transfer-encoding'] === 'chunked';
    this.#left = this.#chunked ? 0 : Number(this.#headers['content-length'] ?? 0);
  }

  #takePlain(bytes: Buffer): boolean {
    this.#left -= bytes.length;
    this.#count(bytes);
    return this.#left <= 0;
  }

  #takeChunks(bytes: Buffer): boolean {
    for (let at = 0; at < bytes.length;) {
      if (this.#left > 0) {
        const piece = bytes.subarray(at, at + this.#left);
        // The last two bytes of what is left are the chunk's line end.
        this.#count(piece.subarray(0, Math.max(0, Math.min(piece.length, this.#left - 2))));
        this.#left -= piece.length;
        at += piece.length;
        if (this.#left === 0 && this.#last) return true;
        continue;
      }
      const end = bytes.indexOf(10, at);
      this.#line += bytes.toString('latin1', at, end < 0 ? undefined : end);
      if (end < 0) return false;
      const size = Number.parseInt(this.#line, 16);
      this.#line = '';
      this.#last = size === 0;
      this.#left = size + 2;
      at = end + 1;
    }
    return false;
  }

  #count(bytes: Buffer): void {
    this.#length += bytes.length;
    if (this.#keep && bytes.length > 0) this.#kept.push(bytes);
  }
}
