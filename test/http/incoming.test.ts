import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Refusal } from '../../src/core/refusal.ts';
import type { Incoming } from '../../src/http/incoming.ts';
import { Lifetime } from '../../src/http/lifetime.ts';
import { eventually, RawConnection } from '../support/raw.ts';
import { unacknowledged } from '../support/cut.ts';

type Reader = (body: Incoming, req: IncomingMessage, res: ServerResponse) => Promise<void>;

let server: Server;
let read: Reader;
let lifetime: Lifetime;
let connection: RawConnection;

beforeEach(async () => {
  lifetime = new Lifetime({ pace: { rate: 0, window: 1000 }, stall: 1000 });
  server = createServer((req, res) => void read(lifetime.body(req, res), req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  connection = await RawConnection.open(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});

afterEach(async () => {
  connection.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** Reads a body to its end; says what came and why it ended. */
function reading(pause: () => Promise<void> = () => Promise.resolve()): Promise<{ bytes: Buffer; body: Incoming }> {
  return new Promise((resolve, reject) => {
    read = async (body, _req, res) => {
      try {
        const chunks: Uint8Array[] = [];
        for await (const chunk of body) {
          chunks.push(chunk);
          await pause();
        }
        res.end();
        resolve({ bytes: Buffer.concat(chunks), body });
      } catch (error) {
        reject(error);
      }
    };
  });
}

describe('a body', () => {
  test('is whole when it is', async () => {
    const result = reading();
    connection.head('POST', '/', { 'Content-Length': 10 }).send('01234').send('56789');
    const { bytes, body } = await result;
    expect(bytes.toString()).toBe('0123456789');
    expect(body.cut).toBeUndefined();
    expect(body.length).toBe(10);
  });

  test('has no length when it is chunked, and is whole at its last chunk', async () => {
    const result = reading();
    connection.head('POST', '/', { 'Transfer-Encoding': 'chunked' }).send('5\r\n01234\r\n0\r\n\r\n');
    const { bytes, body } = await result;
    expect(bytes.toString()).toBe('01234');
    expect({ cut: body.cut, length: body.length }).toEqual({ cut: undefined, length: undefined });
  });

  test('of a request without one is empty and whole', async () => {
    const result = reading();
    connection.head('GET', '/');
    const { bytes, body } = await result;
    expect({ 'bytes length': bytes.length, cut: body.cut, 'body length': body.length }).toEqual({
      'bytes length': 0,
      cut: undefined,
      'body length': 0,
    });
  });

  test.each([
    ['a length', { 'Content-Length': 1000 }, '0123456789'],
    ['chunks', { 'Transfer-Encoding': 'chunked' }, '3e8\r\n0123456789'],
  ])('with %s, cut by an orderly end, ends quietly with what came', async (_title, headers, sent) => {
    const result = reading();
    connection.head('POST', '/', headers).send(sent);
    await eventually(() => lifetime.received === 10);
    connection.socket.end();
    const { bytes, body } = await result;
    expect(bytes.toString()).toBe('0123456789');
    expect(body.cut).toHaveProperty('message');
  });

  test('cut by a reset gives everything that had arrived, though its reader is slow', async () => {
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const result = reading(() => gate);
    const sent = Buffer.alloc(400_000, 'x');
    connection.head('POST', '/', { 'Content-Length': 1_000_000 }).send(sent);
    await eventually(() => lifetime.received === sent.length);
    connection.reset();
    await eventually(() => lifetime.reading === 0);
    open();
    const { bytes, body } = await result;
    expect(bytes.length).toBe(sent.length);
    expect(body.cut).toHaveProperty('message');
  });

  test('cut by a reset while it had to wait loses next to nothing of what the machine had received', async () => {
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const result = reading(() => gate);
    const sent = Buffer.alloc(900_000, 'x');
    connection.head('POST', '/', { 'Content-Length': 10_000_000 }).send(sent);
    await eventually(() => lifetime.received > 500_000);
    await eventually(() => connection.socket.writableLength === 0);
    // What this side's kernel still holds, because the server does not read, goes with the reset: it never arrived.
    const arrived = sent.length - unacknowledged(connection.socket);
    connection.reset();
    await once(connection.socket, 'close');
    open();
    const { bytes } = await result;
    expect(bytes.length).toBeGreaterThanOrEqual(arrived - 65_536);
    expect(arrived).toBeGreaterThan(500_000);
  });

  test('that nobody takes is not read on for ever', async () => {
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const result = reading(() => gate);
    const size = 20_000_000;
    const asked = once(server, 'request') as Promise<[IncomingMessage]>;
    connection.head('POST', '/', { 'Content-Length': size }).send(Buffer.alloc(size));
    const [req] = await asked;
    await eventually(() => req.isPaused());
    expect(lifetime.received).toBeLessThan(1_000_000);
    open();
    expect((await result).bytes.length).toBe(size);
  });

  test('that is stopped ends with what has arrived, and says why', async () => {
    const result = reading();
    connection.head('POST', '/', { 'Content-Length': 1000 }).send('0123456789');
    await eventually(() => lifetime.received === 10);
    const reason = new Refusal('unavailable', 'going down');
    lifetime.close(reason);
    const { bytes, body } = await result;
    expect(bytes.toString()).toBe('0123456789');
    expect(body.cut).toBe(reason);
    expect(lifetime.reading).toBe(0);
  });

  test('that begins when all have been stopped is stopped too', async () => {
    lifetime.close(new Refusal('unavailable', 'going down'));
    const result = reading();
    connection.head('POST', '/', { 'Content-Length': 10 }).send('0123456789');
    expect((await result).body.cut).toMatchObject({ reason: 'unavailable' });
  });

  test('whose reader gives up is not read further', async () => {
    const gaveUp = new Promise<Incoming>((resolve) => {
      read = async (body, _req, res) => {
        for await (const chunk of body) if (chunk.length > 0) break;
        res.end();
        resolve(body);
      };
    });
    connection.head('POST', '/', { 'Content-Length': 1_000_000 }).send('0123456789');
    expect((await gaveUp).cut).toMatchObject({ reason: 'interrupted' });
    expect(lifetime.reading).toBe(0);
  });
});

describe('the pace', () => {
  beforeEach(() => {
    lifetime = new Lifetime({ pace: { rate: 1000, window: 100 }, stall: 1000 });
  });

  test('a body that falls silent is cut', async () => {
    const result = reading();
    connection.head('POST', '/', { 'Content-Length': 1000 }).send('0123456789');
    const { bytes, body } = await result;
    expect(bytes.toString()).toBe('0123456789');
    expect(body.cut).toMatchObject({
      reason: 'interrupted',
      message: 'the body was slower than 1000 bytes per second',
    });
  });

  test('a slow body that keeps the pace is not, however long it takes', async () => {
    const result = reading();
    connection.head('POST', '/', { 'Content-Length': 20_000 });
    // Twenty times the pace, so that a busy machine does not fall below it.
    await connection.drip(Array<Buffer>(40).fill(Buffer.alloc(500)), 25);
    expect((await result).body.cut).toBeUndefined();
  });

  test('time in which the reader did not take anything is not held against the client', async () => {
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const result = reading(() => gate);
    const size = 3_000_000;
    connection.head('POST', '/', { 'Content-Length': size }).send(Buffer.alloc(size));
    await eventually(() => lifetime.received > 500_000);
    // A body that falls silent meanwhile is cut: a window has passed.
    const silent = reading();
    const other = await RawConnection.open(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    other.head('POST', '/', { 'Content-Length': 1000 }).send('0123456789');
    expect((await silent).body.cut).toBeDefined();
    other.close();
    open();
    expect((await result).body.cut).toBeUndefined();
  });
});
