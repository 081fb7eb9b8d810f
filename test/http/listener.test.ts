import type { ServerResponse } from 'node:http';
import { ConnectionCap } from '../../src/http/connection-cap.ts';
import { listen, type Listener } from '../../src/http/listener.ts';
import { RawConnection } from '../support/raw.ts';

let listener: Listener;
beforeEach(async () => {
  listener = await listen({
    host: '127.0.0.1',
    port: 0,
    connections: new ConnectionCap(10),
    headTime: 200,
    handle: (_req, res) => void res.end('ok'),
  });
});
afterEach(() => listener.close(1000));

test('a connection that sends nothing is closed', async () => {
  const connection = await RawConnection.open(listener.urls[0]!);
  await connection.end();
});

test('a connection that sends its request head too slowly is closed', async () => {
  const connection = await RawConnection.open(listener.urls[0]!);
  const head = `GET / HTTP/1.1\r\nHost: ${'a'.repeat(1000)}.example\r\n`;
  const sent = await connection.drip(head, 20);
  await connection.end();
  expect(sent).toBeLessThan(head.length);
});

test('one that keeps quiet between two requests is not', async () => {
  const connection = await RawConnection.open(listener.urls[0]!);
  for (let request = 0; request < 3; request += 1) {
    connection.head('GET', '/');
    expect((await connection.answer()).status).toBe(200);
    // Another connection, which says nothing either, is closed meanwhile.
    await (await RawConnection.open(listener.urls[0]!)).end();
  }
  connection.close();
});

test('one that is kept for a next request is closed when none comes, which its answers tell', async () => {
  const short = await listen({
    host: '127.0.0.1',
    port: 0,
    connections: new ConnectionCap(10),
    idleTime: 100,
    handle: (_req, res) => void res.end('ok'),
  });
  const closed: string[] = [];
  const [usual, idle] = await Promise.all([listener, short].map(({ urls }) => RawConnection.open(urls[0]!)));
  for (const [name, connection] of Object.entries({ usual: usual!, idle: idle! })) {
    connection.socket.on('close', () => closed.push(name));
    connection.head('GET', '/');
  }
  expect((await usual!.answer()).headers).toMatchObject({ 'keep-alive': 'timeout=75' });
  expect((await idle!.answer()).status).toBe(200);
  await idle!.end();
  expect(closed).toEqual(['idle']);
  usual!.close();
  await short.close(0);
});

test('the end waits for what is under way, and no longer than it is told', async () => {
  const open = async (): Promise<{ listener: Listener; asked: Promise<ServerResponse> }> => {
    let handle: (res: ServerResponse) => void;
    const asked = new Promise<ServerResponse>((resolve) => (handle = resolve));
    return {
      listener: await listen({
        host: '127.0.0.1',
        port: 0,
        connections: new ConnectionCap(10),
        handle: (_req, res) => handle(res),
      }),
      asked,
    };
  };
  const slow = await open();
  const connection = await RawConnection.open(slow.listener.urls[0]!);
  connection.head('GET', '/');
  const answer = await slow.asked;
  const closing = slow.listener.close(10_000);
  answer.end('done');
  expect(await connection.answer()).toMatchObject({ status: 200 });
  await closing;

  const stuck = await open();
  (await RawConnection.open(stuck.listener.urls[0]!)).head('GET', '/');
  await stuck.asked;
  await stuck.listener.close(200);
});
