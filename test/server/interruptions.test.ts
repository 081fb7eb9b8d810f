/** Connections between a client and the real server that break. */
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import supertest from 'supertest';
import { blackHoleAfter, drip, openProxy, resetAfter, type Proxy } from '../support/cut.ts';
import { openWorld, type World } from '../support/world.ts';

const data = randomBytes(6 * 1024 * 1024);
let world: World;
let proxy: Proxy;

beforeAll(async () => {
  world = await openWorld({ env: { STOWAGE_RATE_WINDOW: '2s' } });
  proxy = await openProxy({ host: '127.0.0.1', port: Number(new URL(world.url).port) });
});
afterAll(async () => {
  await proxy.close();
  await world.close();
});

async function begin(): Promise<string> {
  return (await world.ask('POST', '/upload')).json<{ uuid: string }>().uuid;
}

/** Sends bytes through the proxy; resolves with the status, or undefined when the line broke. */
async function send(id: string, offset: number, bytes: Buffer): Promise<number | undefined> {
  const headers = {
    Authorization: `Bearer ${await world.token()}`,
    'Upload-Offset': offset,
    'Content-Length': bytes.length,
  };
  return new Promise((resolve) => {
    const sent = request(`${proxy.url}/upload/${id}`, { method: 'POST', headers, agent: false }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode));
    });
    sent.on('error', () => resolve(undefined));
    sent.end(bytes);
  });
}

const sizeNow = async (id: string): Promise<number> =>
  Number((await world.ask('HEAD', `/upload/${id}`)).headers.get('upload-offset'));

test('a reset loses at most 64 KiB of what had arrived, at whatever byte it strikes', async () => {
  const id = await begin();
  let offset = 0;
  for (const bytes of [1000, 65_537, 300_000, 1_000_003, 2_500_000]) {
    const next = proxy.next();
    proxy.script(resetAfter(bytes));
    await send(id, offset, data.subarray(offset));
    const connection = await next;
    await connection.serverClosed;
    const now = await sizeNow(id);
    // What arrived has the request's own header before the body; that counts as body here, so the bound is the stricter.
    expect(now - offset).toBeGreaterThanOrEqual(connection.arrived - 65_536 - 1024);
    expect(now).toBeGreaterThanOrEqual(offset);
    offset = now;
  }
  expect(await send(id, offset, data.subarray(offset))).toBe(200);
  await world.ask('POST', '/artifacts/upload/reset', { json: { upload_uuid: id } });
  expect((await world.ask('GET', '/artifacts/reset/data')).bytes.equals(data)).toBe(true);
});

test('eight black holes: each newcomer goes on at once, and the bytes come out right', async () => {
  const id = await begin();
  let offset = 0;
  for (let hole = 0; hole < 8; hole += 1) {
    const next = proxy.next();
    proxy.script(blackHoleAfter(500_000));
    const sent = send(id, offset, data.subarray(offset));
    await (
      await next
    ).struck;
    const now = await sizeNow(id);
    expect(now).toBeGreaterThan(offset);
    offset = now;
    await sent;
  }
  expect(await send(id, offset, data.subarray(offset))).toBe(200);
  await world.ask('POST', '/artifacts/upload/holes', { json: { upload_uuid: id } });
  expect((await world.ask('GET', '/artifacts/holes/data')).bytes.equals(data)).toBe(true);
}, 30_000);

test('a slow and steady sender is not cut, long after the window in which a silent one would be', async () => {
  const id = await begin();
  proxy.script(drip(10_000));
  expect(await send(id, 0, data.subarray(0, 60_000))).toBe(200);
}, 30_000);

test('it says that it lives, is ready, and what it can do', async () => {
  const api = supertest(world.url);
  await api.get('/livez').expect(200, /ok/);
  await api.get('/readyz').expect(200, /ready/);
  const { text } = await api.get('/').expect(200).expect('Content-Type', /html/);
  expect(text).toContain('blob-search-by-hash');
  expect(text).not.toContain('blob-data-limit');
});
