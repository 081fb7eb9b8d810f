/**
 * A TCP proxy that injects faults: reset, black hole, stall, slow transfer, delay, lost responses.
 *
 * It runs between client and server on loopback, applies the next scripted fault to each connection, and counts the
 * bytes that arrived, so that a test can compute how many the server must have kept.
 */
import { readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { RequestCounter } from './requests.ts';

/** A fault of a connection. Bytes count from the start of the connection, including headers. */
export interface Fault {
  /** Triggers after this many bytes from the client; later bytes are not forwarded. */
  readonly up?: number;
  /** Triggers after this many bytes of responses; 0 triggers at the first byte, which is not forwarded. */
  readonly down?: number;
  /** Triggers after this many whole requests; the last response may be on its way. */
  readonly requests?: number;
  /**
   * `reset`: both sides get an RST. `black hole`: the client gets an RST, the server gets nothing more. `stall`: no
   * more bytes are forwarded, and both sides stay open. `close`: both sides get an orderly end.
   */
  readonly then?: 'reset' | 'black hole' | 'stall' | 'close';
  /** Milliseconds of delay for every chunk, each way. */
  readonly delay?: number;
  /** Bytes a second from client to server. */
  readonly rate?: number;
}

/** Both sides are reset after `bytes` of the client. */
export const resetAfter = (bytes: number): Fault => ({ up: bytes, then: 'reset' });
/** The client side dies after `bytes`; the server side stays open and silent. */
export const blackHoleAfter = (bytes: number): Fault => ({ up: bytes, then: 'black hole' });
/** Nothing moves after `bytes` of the client. */
export const stallAfter = (bytes: number): Fault => ({ up: bytes, then: 'stall' });
/** The request is whole on its way when everything is reset; the server learns of that before or while it answers. */
export const resetAfterRequest = (requests = 1): Fault => ({ requests, then: 'reset' });
/** The server gives its answer; `bytes` of answers reach the client. */
export const resetAnswerAfter = (bytes: number): Fault => ({ down: bytes, then: 'reset' });
/** Bytes trickle to the server. */
export const drip = (bytesPerSecond: number): Fault => ({ rate: bytesPerSecond });
/** A slow path. */
export const delayed = (milliseconds: number): Fault => ({ delay: milliseconds });

export interface Connection {
  /** Bytes of the client that the server's kernel has acknowledged. */
  readonly arrived: number;
  /** Bytes of responses passed to the client's side. */
  readonly answered: number;
  /** Resolves when the fault triggered. */
  readonly struck: Promise<void>;
  /** Resolves when the server's side is closed, by the server or by the fault. */
  readonly serverClosed: Promise<void>;
  /** Resolves when the client's side is closed. */
  readonly clientClosed: Promise<void>;
  /** Triggers a fault now. */
  strike(how: NonNullable<Fault['then']>): void;
}

export interface Proxy {
  readonly port: number;
  /** `http://127.0.0.1:port`. */
  readonly url: string;
  /** All connections so far, oldest first. */
  readonly connections: readonly Connection[];
  /** Sets the faults of the next connections, one each; later ones have none. */
  script(...faults: Fault[]): void;
  /** The next connection that is opened. */
  next(): Promise<Connection>;
  /** Closes everything. */
  close(): Promise<void>;
}

export interface ProxyOptions {
  readonly host: string;
  readonly port: number;
  /** Replaces the timer. */
  readonly wait?: (ms: number, value: undefined, options: { readonly signal: AbortSignal }) => Promise<void>;
}

/** Opens a proxy on a free port of loopback in front of `host:port`. */
export async function openProxy({ wait = sleep, ...target }: ProxyOptions): Promise<Proxy> {
  const faults: Fault[] = [];
  const connections: Path[] = [];
  let waiting: ((connection: Connection) => void)[] = [];
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    const path = new Path(client, connect({ ...target, allowHalfOpen: true }), faults.shift() ?? {}, wait);
    connections.push(path);
    for (const resolve of waiting) resolve(path);
    waiting = [];
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    connections,
    script: (...more) => void faults.push(...more),
    next: () => new Promise((resolve) => waiting.push(resolve)),
    close: () => {
      for (const path of connections) path.end();
      return new Promise((resolve, reject) => server.close((error) => (error ? reject(error) : resolve())));
    },
  };
}

/** One connection: both sockets and its fault. */
class Path implements Connection {
  readonly struck: Promise<void>;
  readonly serverClosed: Promise<void>;
  readonly clientClosed: Promise<void>;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #fault: Fault;
  readonly #sleep: NonNullable<ProxyOptions['wait']>;
  readonly #requests = new RequestCounter();
  readonly #over = new AbortController();
  #markStruck: () => void = () => undefined;
  #handedUp = 0;
  #arrivedAtEnd: number | undefined;
  #answered = 0;

  constructor(client: Socket, server: Socket, fault: Fault, wait: NonNullable<ProxyOptions['wait']>) {
    this.#client = client;
    this.#server = server;
    this.#fault = fault;
    this.#sleep = wait;
    this.struck = new Promise((resolve) => (this.#markStruck = resolve));
    this.serverClosed = new Promise((resolve) => server.once('close', () => resolve()));
    this.clientClosed = new Promise((resolve) => client.once('close', () => resolve()));
    // `close` always follows an error and is handled instead.
    for (const socket of [client, server]) socket.setNoDelay(true).on('error', () => undefined);
    void this.#carryUp();
    void this.#carryDown();
  }

  get arrived(): number {
    return this.#arrivedAtEnd ?? this.#handedUp - unacknowledged(this.#server);
  }

  get answered(): number {
    return this.#answered;
  }

  strike(how: NonNullable<Fault['then']>): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    // In a black hole and in a stall, bytes in flight still arrive.
    if (how === 'reset') this.#arrivedAtEnd = this.arrived;
    if (how === 'close') {
      this.#client.destroySoon();
      this.#server.destroySoon();
    } else if (how !== 'stall') {
      this.#client.resetAndDestroy();
      if (how === 'reset') this.#server.resetAndDestroy();
    }
    this.#markStruck();
  }

  /** Ends both sides, whatever state they are in. */
  end(): void {
    this.#over.abort();
    this.#client.destroy();
    this.#server.destroy();
  }

  async #carryUp(): Promise<void> {
    const { up = Infinity, then = 'reset', rate, requests = Infinity } = this.#fault;
    const step = rate === undefined ? Infinity : Math.max(1, Math.floor(rate / ticksPerSecond));
    await this.#carry(this.#client, this.#server, 'stop', async (chunk) => {
      for (let from = 0; from < chunk.length && !this.#over.signal.aborted;) {
        const room = Math.min(step, up - this.#handedUp);
        const piece = chunk.subarray(from, from + room);
        if (piece.length > 0) await this.#write(this.#server, piece);
        this.#handedUp += piece.length;
        from += piece.length;
        if (this.#handedUp >= up) await this.#settled();
        if (this.#requests.take(piece) >= requests || this.#handedUp >= up) this.strike(then);
        else if (rate !== undefined) await this.#wait(1000 / ticksPerSecond);
      }
    });
  }

  async #carryDown(): Promise<void> {
    const { down = Infinity, then = 'reset' } = this.#fault;
    // Reading continues after the fault, to notice when the server closes.
    await this.#carry(this.#server, this.#client, 'discard', async (chunk) => {
      const piece = chunk.subarray(0, down - this.#answered);
      if (piece.length > 0) await this.#write(this.#client, piece);
      this.#answered += piece.length;
      if (this.#answered >= down) this.strike(then);
    });
  }

  /** Forwards one direction until the end, an error, or the fault; `after` tells whether to read on then. */
  async #carry(
    from: Socket,
    to: Socket,
    after: 'stop' | 'discard',
    pass: (chunk: Buffer) => Promise<void>,
  ): Promise<void> {
    try {
      for await (const chunk of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        if (this.#fault.delay !== undefined) await this.#wait(this.#fault.delay);
        if (!this.#over.signal.aborted) await pass(chunk);
        if (this.#over.signal.aborted && after === 'stop') return;
      }
      if (this.#over.signal.aborted) from.end();
      else to.end();
    } catch {
      // One side failed by itself, so the other gets a reset too.
      if (!this.#over.signal.aborted) to.resetAndDestroy();
    }
  }

  /** Resolves when the kernel took the bytes. */
  #write(socket: Socket, bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      socket.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Waits until the forwarded bytes have arrived, or the server stops reading. */
  async #settled(): Promise<void> {
    for (let left = unacknowledged(this.#server), tries = 0; left > 0 && tries < 50; tries += 1) {
      await this.#wait(2);
      const now = unacknowledged(this.#server);
      if (now < left) tries = 0;
      left = now;
    }
  }

  async #wait(milliseconds: number): Promise<void> {
    await this.#sleep(milliseconds, undefined, { signal: this.#over.signal }).catch(() => undefined);
  }
}

const ticksPerSecond = 20;

/**
 * Bytes written to a socket that the peer's kernel has not acknowledged. An RST discards them, so they did not arrive.
 * Read from Linux's socket table; 0 elsewhere.
 */
export function unacknowledged(socket: Socket): number {
  return kernelOf(socket.localPort, socket.remotePort)?.unacknowledged ?? 0;
}

/** Received bytes that the socket's owner has not read. */
export function unread(socket: Socket): number {
  return socket.readableLength + (kernelOf(socket.localPort, socket.remotePort)?.unread ?? 0);
}

/** Whether the peer, on this machine too, has closed or reset the connection. */
export function letGo(socket: Socket): boolean {
  return kernelOf(socket.remotePort, socket.localPort)?.state !== '01';
}

/** The entry of the connection end with the local port in the kernel's table. */
function kernelOf(
  local: number | undefined,
  remote: number | undefined,
): { readonly state: string; readonly unacknowledged: number; readonly unread: number } | undefined {
  if (local === undefined || remote === undefined) return undefined;
  const [from, to] = [local, remote].map((port) => port.toString(16).toUpperCase().padStart(4, '0'));
  const end = new RegExp(`: [0-9A-F]+:${from} [0-9A-F]+:${to} ([0-9A-F]{2}) ([0-9A-F]+):([0-9A-F]+) `);
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const row = end.exec(read(table));
    if (row)
      return { state: row[1]!, unacknowledged: Number.parseInt(row[2]!, 16), unread: Number.parseInt(row[3]!, 16) };
  }
  return undefined;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
