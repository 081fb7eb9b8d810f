/** HTTP over a plain socket, for requests that no client library sends. */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface RawAnswer {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A connection on which a test writes arbitrary bytes. */
export class RawConnection {
  readonly socket: Socket;
  #text = '';
  #ended = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    const wake = (): void => this.#wake();
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.#text += text;
      wake();
    });
    socket.on('close', () => {
      this.#ended = true;
      wake();
    });
    socket.on('error', () => undefined);
  }

  static async open(url: string): Promise<RawConnection> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new RawConnection(socket);
  }

  /** Whether the peer has closed. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Everything received and not yet taken. */
  get received(): string {
    return this.#text;
  }

  /** Sends a request's head. */
  head(method: string, path: string, headers: Readonly<Record<string, string | number>> = {}): this {
    const lines = Object.entries({ Host: 'test', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    this.socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1');
    return this;
  }

  send(bytes: Uint8Array | string): this {
    this.socket.write(bytes);
    return this;
  }

  /** Sends pieces with pauses of `ms` milliseconds. @returns the number sent before the peer closed */
  async drip(pieces: Iterable<Uint8Array | string>, ms: number): Promise<number> {
    let sent = 0;
    for (const piece of pieces) {
      if (this.#ended) break;
      this.send(piece);
      sent += 1;
      await sleep(ms);
    }
    return sent;
  }

  /** Ends the connection with a reset, like a machine that dies. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** The next response; its body by `Content-Length`, or until the connection ends. */
  async answer(method = 'GET'): Promise<RawAnswer> {
    const head = await this.#until(() => this.#text.indexOf('\r\n\r\n'));
    const [first = '', ...lines] = this.#text.slice(0, head).split('\r\n');
    this.#text = this.#text.slice(head + 4);
    const headers = Object.fromEntries(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const status = Number(first.split(' ')[1]);
    if (method === 'HEAD' || status === 304 || status < 200) return { status, headers, body: '' };
    const length = Number(headers['content-length'] ?? 0);
    await this.#until(() => (this.#text.length >= length ? 0 : -1));
    const body = this.#text.slice(0, length);
    this.#text = this.#text.slice(length);
    return { status, headers, body };
  }

  /** Resolves when the peer has closed. */
  async end(): Promise<void> {
    await this.#until(() => (this.#ended ? 0 : -1));
  }

  close(): void {
    this.socket.destroy();
  }

  async #until(found: () => number): Promise<number> {
    for (;;) {
      const at = found();
      if (at >= 0) return at;
      if (this.#ended) throw new Error(`the connection ended early: ${JSON.stringify(this.#text.slice(0, 200))}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

/** Polls a condition that no event reports. The only way for a test to wait for another process. */
export async function eventually(
  what: () => Promise<boolean> | boolean,
  { named = 'it', within = 20_000 }: { named?: string; within?: number } = {},
): Promise<void> {
  for (const end = Date.now() + within; !(await what()); await sleep(10))
    if (Date.now() > end) throw new Error(`${named} did not come true in time`);
}
