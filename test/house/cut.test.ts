import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import {
  blackHoleAfter,
  delayed,
  drip,
  openProxy,
  resetAfter,
  resetAfterRequest,
  resetAnswerAfter,
  stallAfter,
  type Proxy,
} from '../support/cut.ts';

/** A server that keeps what it hears and how each connection ended, and answers each `?` with `!!!!`. */
interface Listener {
  readonly server: Server;
  readonly heard: Buffer[];
  readonly ends: ('end' | 'error')[];
  readonly sockets: Socket[];
}

let listener: Listener;
let proxy: Proxy;

beforeEach(async () => {
  const heard: Buffer[] = [];
  const ends: ('end' | 'error')[] = [];
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('data', (chunk) => {
      heard.push(chunk);
      if (chunk.includes('?')) socket.write('!!!!');
    });
    socket.on('end', () => ends.push('end')).on('error', () => ends.push('error'));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  listener = { server, heard, ends, sockets };
  proxy = await openProxy({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
});

afterEach(async () => {
  await proxy.close();
  for (const socket of listener.sockets) socket.destroy();
  await new Promise((resolve) => listener.server.close(resolve));
});

async function dial(): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: proxy.port });
  await once(socket, 'connect');
  return socket;
}

const heard = (): string => Buffer.concat(listener.heard).toString();

/**
 * How a connection dies for whoever holds this end of it. A reset that comes right behind bytes may be told as an end
 * without an end of ours, so only a reset of a silent connection can be told from an orderly end.
 */
async function death(socket: Socket): Promise<unknown> {
  let error: unknown;
  socket.on('error', (cause) => (error = cause));
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
  return error;
}

test('without a fault everything passes, both ways, and ends in order', async () => {
  const client = await dial();
  client.end('hello?');
  const chunks: Buffer[] = [];
  for await (const chunk of client as AsyncIterable<Buffer>) chunks.push(chunk);
  expect(Buffer.concat(chunks).toString()).toBe('!!!!');
  expect(heard()).toBe('hello?');
  await proxy.connections[0]!.serverClosed;
  expect(listener.ends).toEqual(['end']);
  expect(proxy.connections[0]).toMatchObject({ arrived: 6, answered: 4 });
});

test('a reset strikes both sides after exactly so many bytes', async () => {
  proxy.script(resetAfter(100_000));
  const client = await dial();
  const died = death(client);
  client.write(Buffer.alloc(300_000, 'x'));
  expect(await died).toMatchObject({ code: 'ECONNRESET' });
  const [connection] = proxy.connections;
  await connection!.struck;
  await death(listener.sockets[0]!);
  expect(heard().length).toBe(100_000);
  expect(connection!.arrived).toBeLessThanOrEqual(100_000);
});

test('a black hole kills the client and leaves the server waiting', async () => {
  proxy.script(blackHoleAfter(10));
  const client = await dial();
  const died = death(client);
  client.write(Buffer.alloc(50, 'x'));
  expect(await died).toMatchObject({ code: 'ECONNRESET' });
  const [connection] = proxy.connections;
  await connection!.clientClosed;
  while (heard().length < 10) await once(listener.sockets[0]!, 'data');
  expect(heard().length).toBe(10);
  expect(listener.ends).toEqual([]);
  expect(listener.sockets[0]!.readyState).toBe('open');
  listener.sockets[0]!.write('is anybody there?');
  listener.sockets[0]!.end();
  await connection!.serverClosed;
  await death(listener.sockets[0]!);
  expect(listener.ends).toEqual(['end']);
});

test('a stall moves nothing and closes nothing', async () => {
  proxy.script(stallAfter(10));
  const client = await dial();
  client.write(Buffer.alloc(50, 'x'));
  const [connection] = proxy.connections;
  await connection!.struck;
  listener.sockets[0]!.write('hello');
  client.write('more');
  // Time enough for another connection to go there and back is time enough for something to leak.
  const other = await dial();
  other.write('?');
  await once(other, 'data');
  expect({
    'client readyState': client.readyState,
    'server side': listener.sockets[0]!.readyState,
  }).toEqual({ 'client readyState': 'open', 'server side': 'open' });
  expect(heard()).toBe('x'.repeat(10) + '?');
  expect(connection!.answered).toBe(0);
  client.destroy();
  other.destroy();
});

test('a drip waits between pieces, a delay before each piece, and both bring everything', async () => {
  const waits: number[] = [];
  await proxy.close();
  proxy = await openProxy({
    host: '127.0.0.1',
    port: (listener.server.address() as AddressInfo).port,
    wait: async (ms) => void waits.push(ms),
  });
  proxy.script(drip(2000), delayed(60));
  const slow = await dial();
  slow.write(Buffer.alloc(400, 'x'));
  slow.write('?');
  await once(slow, 'data');
  expect(heard()).toBe('x'.repeat(400) + '?');
  // Twenty pieces a second, of a hundred bytes.
  expect(waits.slice(0, 4)).toEqual([50, 50, 50, 50]);
  waits.length = 0;
  const far = await dial();
  far.write('?');
  await once(far, 'data');
  expect(waits).toEqual([60, 60]);
  slow.destroy();
  far.destroy();
});

const request = (body: string): string => `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

test('a request arrives whole, its answer is swallowed', async () => {
  proxy.script(resetAfterRequest(2));
  const client = await dial();
  client.write(request('one?').slice(0, 30));
  client.write(request('one?').slice(30));
  expect(String((await once(client, 'data'))[0])).toBe('!!!!');
  const died = death(client);
  client.write(request('two?'));
  expect(await died).toMatchObject({ code: 'ECONNRESET' });
  await death(listener.sockets[0]!);
  expect(heard()).toBe(request('one?') + request('two?'));
});

test('an answer is cut after so many bytes, or at its first', async () => {
  proxy.script(resetAnswerAfter(2), resetAnswerAfter(0));
  const first = await dial();
  const died = death(first);
  first.write('?');
  expect(String((await once(first, 'data'))[0])).toBe('!!');
  await died;
  const second = await dial();
  const diedToo = death(second);
  second.on('data', () => expect('an answer').toBe('swallowed')).write('?');
  expect(await diedToo).toMatchObject({ code: 'ECONNRESET' });
  expect(proxy.connections[1]).toMatchObject({ arrived: 1, answered: 0 });
});

test('a test strikes when it wants to', async () => {
  const opened = proxy.next();
  const client = await dial();
  const died = death(client);
  (await opened).strike('reset');
  expect(await died).toMatchObject({ code: 'ECONNRESET' });
});
