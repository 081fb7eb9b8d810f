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

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('a connection that says nothing is closed', async () => {
  const connection = await RawConnection.open(listener.urls[0]!);
  await connection.end();
});

test('one that sends its head letter by letter is closed too', async () => {
  const connection = await RawConnection.open(listener.urls[0]!);
  const head = `GET / HTTP/1.1\r\nHost: ${'a'.repeat(1000)}.example\r\n`;
  let sent = 0;
  for (; sent < head.length && !connection.ended; sent += 1) {
    connection.send(head[sent]!);
    await pause(20);
  }
  await connection.end();
  expect(sent).toBeLessThan(head.length);
});

test('one that keeps quiet between two requests is not', async () => {
  const connection = await RawConnection.open(listener.urls[0]!);
  for (let request = 0; request < 3; request += 1) {
    connection.head('GET', '/');
    expect((await connection.answer()).status).toBe(200);
    connection.send('');
    await pause(300);
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
  let answer = (): void => undefined;
  const slow = await listen({
    host: '127.0.0.1',
    port: 0,
    connections: new ConnectionCap(10),
    handle: (_req, res) => void (answer = () => res.end('done')),
  });
  const connection = await RawConnection.open(slow.urls[0]!);
  connection.head('GET', '/');
  await pause(50);
  const closing = slow.close(2000);
  setTimeout(() => answer(), 50);
  expect(await connection.answer()).toMatchObject({ status: 200 });
  await closing;

  const stuck = await listen({
    host: '127.0.0.1',
    port: 0,
    connections: new ConnectionCap(10),
    handle: () => undefined,
  });
  (await RawConnection.open(stuck.urls[0]!)).head('GET', '/');
  await pause(50);
  await stuck.close(200);
});
