/** The whole server: first start, restart, shutdown, scheduled tasks. */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { readConfig } from '../../src/config/index.ts';
import { checkStore, resetSystemKey, startServer, type RunningServer } from '../../src/server/index.ts';
import { eventually, RawConnection } from '../support/raw.ts';
import { openWorld, type ArtifactView, type World } from '../support/world.ts';

describe('a first start', () => {
  let folder: string;
  let running: RunningServer | undefined;
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'stowage-'))));
  afterEach(async () => {
    await running?.close();
    running = undefined;
    await rm(folder, { recursive: true, force: true });
  });

  const start = async (more: Record<string, string> = {}): Promise<RunningServer> =>
    (running = await startServer(
      readConfig({ STOWAGE_PORT: '0', STOWAGE_STORAGE_DIR: folder, STOWAGE_LOG_LEVEL: 'silent', ...more }),
    ));

  const login = async (key: string): Promise<number> =>
    (await fetch(`${running!.urls[0]}/auth`, { method: 'POST', body: JSON.stringify({ namespace: 'system', key }) }))
      .status;

  test('without a key makes one, keeps it for its owner only, and shows it once', async () => {
    const { firstStart } = await start();
    expect(firstStart).toEqual({ namespace: 'system', key: expect.stringMatching(/^[\w-]{32}$/) });
    expect(await login(firstStart!.key)).toBe(200);
    const path = join(folder, 'node.json');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({
      node: expect.any(String),
      secret: expect.any(String),
      systemKey: firstStart!.key,
    });
    await running!.close();
    expect((await start()).firstStart).toBeUndefined();
    expect(await login(firstStart!.key)).toBe(200);
  });

  test('with a key writes none down; changing the key changes what opens', async () => {
    expect((await start({ STOWAGE_SYSTEM_KEY: 'a-first-key-of-mine' })).firstStart).toBeUndefined();
    expect(await readFile(join(folder, 'node.json'), 'utf8')).not.toContain('a-first-key');
    expect(await login('a-first-key-of-mine')).toBe(200);
    await running!.close();
    await start({ STOWAGE_SYSTEM_KEY: 'a-second-key-of-mine' });
    expect({
      'login a-first-key-of-mine': await login('a-first-key-of-mine'),
      'login a-second-key-of-mine': await login('a-second-key-of-mine'),
    }).toEqual({ 'login a-first-key-of-mine': 401, 'login a-second-key-of-mine': 200 });
  });

  test('without a key after one with it keeps the last key, and makes none', async () => {
    await start({ STOWAGE_SYSTEM_KEY: 'a-first-key-of-mine' });
    await running!.close();
    expect((await start()).firstStart).toBeUndefined();
    expect(await login('a-first-key-of-mine')).toBe(200);
    expect(await readFile(join(folder, 'node.json'), 'utf8')).not.toContain('systemKey');
  });

  test('with a key after one that was made takes the made one out of node.json', async () => {
    const made = (await start()).firstStart!.key;
    await running!.close();
    await start({ STOWAGE_SYSTEM_KEY: 'a-first-key-of-mine' });
    await running!.close();
    expect((await start()).firstStart).toBeUndefined();
    expect({
      'login made': await login(made),
      'login a-first-key-of-mine': await login('a-first-key-of-mine'),
    }).toEqual({ 'login made': 401, 'login a-first-key-of-mine': 200 });
    expect(await readFile(join(folder, 'node.json'), 'utf8')).not.toContain(made);
  });

  test('after an end between the making of a key and its record tells of the key that node.json holds', async () => {
    await writeFile(join(folder, 'node.json'), JSON.stringify({ systemKey: 'a-key-that-was-made-and-not-told' }));
    // Nothing else was written yet: no catalog knows that key.
    expect((await start({ STOWAGE_ACCEPT_LOSS: 'yes' })).firstStart).toEqual({
      namespace: 'system',
      key: 'a-key-that-was-made-and-not-told',
    });
  });

  test('the key of a store that no server has open can be replaced', async () => {
    await start({ STOWAGE_SYSTEM_KEY: 'a-first-key-of-mine' });
    await expect(resetSystemKey(folder)).rejects.toMatchObject({ code: 'EBUSY' });
    await running!.close();
    const made = await resetSystemKey(folder);
    expect((await start()).firstStart).toBeUndefined();
    expect({
      'login a-first-key-of-mine': await login('a-first-key-of-mine'),
      'login made': await login(made),
    }).toEqual({ 'login a-first-key-of-mine': 401, 'login made': 200 });
    await running!.close();
    expect(await resetSystemKey(folder, 'a-key-that-is-given')).toBe('a-key-that-is-given');
    await start();
    expect({
      'login made': await login(made),
      'login a-key-that-is-given': await login('a-key-that-is-given'),
    }).toEqual({ 'login made': 401, 'login a-key-that-is-given': 200 });
  });

  test('on a folder that another server has is refused, and on a damaged node.json too', async () => {
    await start();
    await expect(
      startServer(readConfig({ STOWAGE_PORT: '0', STOWAGE_STORAGE_DIR: folder, STOWAGE_LOG_LEVEL: 'silent' })),
    ).rejects.toThrow();
    await running!.close();
    running = undefined;
    await writeFile(join(folder, 'node.json'), '{"node": ');
    await expect(start()).rejects.toThrow();
  });

  test('on a port that is taken is refused, and lets the folder go', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    await expect(start({ STOWAGE_PORT: String((other.address() as AddressInfo).port) })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
    other.close();
    await start();
  });
});

describe('the end', () => {
  let world: World;
  beforeEach(async () => void (world = await openWorld()));
  afterEach(() => world.close());

  test('keeps what was under way with an offset, and waits for none of its clients', async () => {
    const uuid = await world.upload(Buffer.alloc(0));
    const blind = await world.upload(Buffer.alloc(0));
    const Authorization = `Bearer ${await world.token()}`;
    const [one, two, idle] = [
      await RawConnection.open(world.url),
      await RawConnection.open(world.url),
      await RawConnection.open(world.url),
    ];
    one
      .head('POST', `/upload/${uuid}`, { Authorization, 'Content-Length': 10_000_000, 'Upload-Offset': 0 })
      .send(Buffer.alloc(200_000));
    two.head('POST', `/upload/${blind}`, { Authorization, 'Content-Length': 10_000_000 }).send(Buffer.alloc(200_000));
    idle.head('GET', '/livez');
    await idle.answer();
    const received = async (): Promise<number> =>
      Number(/^stowage_received_bytes_total (\d+)$/m.exec((await world.ask('GET', '/metrics')).bytes.toString())![1]);
    await eventually(async () => (await received()) >= 400_000);
    await world.restart();
    const answer = await one.answer();
    expect({ status: answer.status, 'retry-after': answer.headers['retry-after'] }).toEqual({
      status: 503,
      'retry-after': '5',
    });
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'unavailable', offset: 200_000 });
    expect(await world.get('GET', `/upload/${uuid}`)).toMatchObject({ size: 200_000 });
    expect(await world.get('GET', `/upload/${blind}`)).toMatchObject({ size: 0 });
    await Promise.all([one.end(), two.end(), idle.end()]);
  });

  test('cuts a download that does not end by itself', async () => {
    await world.push('large', Buffer.alloc(50_000_000));
    const connection = await RawConnection.open(world.url);
    connection.head('GET', '/artifacts/large/data', { Authorization: `Bearer ${await world.token()}` });
    await eventually(() => connection.received.length > 0);
    connection.socket.pause();
    await world.restart();
    connection.socket.resume();
    await connection.end();
    expect(connection.received.length).toBeLessThan(50_000_000);
  }, 20_000);
});

describe('what comes in', () => {
  let world: World;
  beforeAll(async () => void (world = await openWorld({ env: { STOWAGE_MAX_CONNECTIONS: '50' } })));
  afterAll(() => world.close());

  test('ids of requests are taken over when they are sane, and made when not', async () => {
    const id = async (sent: string): Promise<string | null> =>
      (await world.ask('GET', '/livez', { as: null, headers: { 'X-Request-ID': sent } })).headers.get('x-request-id');
    expect(await id('build-7/step.2')).toBe('build-7/step.2');
    for (const sent of ['a b', 'x'.repeat(129), '<script>', '"']) expect(await id(sent)).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('too many header lines are refused, not passed over', async () => {
    const connection = await RawConnection.open(world.url);
    connection.head('GET', '/livez', Object.fromEntries(Array.from({ length: 1100 }, (_, at) => [`a${at}`, 1])));
    expect((await connection.answer()).status).toBe(431);
  });

  test.each([
    ['two lengths', 'Content-Length: 1\r\nContent-Length: 2\r\n'],
    ['a length and chunks', 'Content-Length: 1\r\nTransfer-Encoding: chunked\r\n'],
    ['a negative length', 'Content-Length: -1\r\n'],
    ['a huge length', 'Content-Length: 99999999999999999999999\r\n'],
    ['a folded line', 'X: a\r\n b\r\n'],
  ])('%s is bad framing, and ends the connection', async (_title, lines) => {
    const connection = await RawConnection.open(world.url);
    connection.send(`POST /upload HTTP/1.1\r\nHost: x\r\n${lines}\r\nx`);
    expect((await connection.answer()).status).toBe(400);
    await connection.end();
  });

  test('an absolute address in the request line changes nothing', async () => {
    const connection = await RawConnection.open(world.url);
    connection.head('GET', 'http://evil.example/livez');
    expect((await connection.answer()).body).toBe('ok\n');
    connection.close();
  });

  test('paths that climb lead nowhere', async () => {
    for (const path of [
      '/../../etc/passwd',
      '/artifacts/..%2f..%2fetc',
      '/%2e%2e/%2e%2e/etc/passwd',
      '/artifacts/%5c..%5c',
      '/blobs/%00/data',
      '/blobs/..%252f/data',
      '//etc/passwd',
    ]) {
      const connection = await RawConnection.open(world.url);
      connection.head('GET', path, { Authorization: `Bearer ${await world.token()}` });
      expect({ path, status: (await connection.answer()).status }).toEqual({
        path,
        status: path.includes('%00') ? 400 : 404,
      });
      connection.close();
    }
  });

  test('no more connections are held than allowed', async () => {
    const held = await Promise.all(Array.from({ length: 60 }, () => RawConnection.open(world.url)));
    await eventually(() => held.filter((connection) => connection.ended).length >= 10);
    for (const connection of held) connection.close();
    await eventually(async () => (await world.ask('GET', '/livez', { as: null })).status === 200);
  });
});

test('nothing secret is ever logged, and nothing that a terminal would obey', async () => {
  const lines: string[] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const world = await openWorld({ log });
  await world.addNamespace('builds');
  const token = await world.token('builds');
  await world.push('x', Buffer.from('the-body-of-it'), { as: 'builds' });
  await world.ask('GET', '/artifacts/x/data?offset=the-query', { as: 'builds', headers: { Cookie: 'the-cookie' } });
  await world.ask('POST', '/auth', { as: null, json: { namespace: 'builds', key: 'a-wrong-secret' } });
  await world
    .ask('GET', `/artifacts/${'%1b[31m%0d%0aforged'}`, { as: 'builds', headers: { 'User-Agent': '\u001b[2J' } })
    .catch(() => undefined);
  const raw = await RawConnection.open(world.url);
  raw.head('GET', '/\x1b[31mred', { Authorization: `Bearer ${token}` });
  await raw.answer().catch(() => undefined);
  await world.server.upkeep.sweep();
  await world.close();
  const text = lines.join('');
  expect(lines.length).toBeGreaterThan(8);
  for (const line of lines) expect(() => JSON.parse(line) as unknown).not.toThrow();
  for (const secret of [
    token,
    world.key,
    'the-key-of-builds',
    'a-wrong-secret',
    'the-body-of-it',
    'the-cookie',
    'the-query',
    'Bearer',
  ])
    expect(text).not.toContain(secret);
  expect(text.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f]/);
});

test('what is old goes by the clock, and by nothing else', async () => {
  const world = await openWorld({ env: { STOWAGE_UPLOAD_IDLE: '24h', STOWAGE_BLOB_GRACE: '1h' } });
  try {
    const uuid = await world.upload(Buffer.from('x'));
    await world.push('x', Buffer.from('bytes'));
    await world.get('DELETE', '/artifacts/x');
    world.clock.move(23 * 3_600_000);
    await world.server.upkeep.sweep();
    expect((await world.ask('GET', `/upload/${uuid}`)).status).toBe(200);
    expect(await world.get('GET', '/blobs')).toEqual([]);
    await world.get('POST', `/upload/${uuid}/truncate/1`);
    world.clock.move(23 * 3_600_000);
    await world.server.upkeep.sweep();
    expect((await world.ask('GET', `/upload/${uuid}`)).status).toBe(200);
    world.clock.move(2 * 3_600_000);
    await Promise.all([world.server.upkeep.sweep(), world.server.upkeep.sweep()]);
    expect((await world.ask('GET', `/upload/${uuid}`)).status).toBe(404);
  } finally {
    await world.close();
  }
});

test('an artifact is fetched from a URL in the background', async () => {
  const bytes = randomBytes(300_000);
  const origin = createServer((req, res) => (req.url === '/x.bin' ? res.end(bytes) : res.writeHead(404).end())).listen(
    0,
    '127.0.0.1',
  );
  await new Promise((resolve) => origin.once('listening', resolve));
  const base = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`;
  const world = await openWorld();
  try {
    const [good, bad] = await Promise.all(
      ['/x.bin', '/none'].map((path) => world.get<ArtifactView>('POST', '/artifacts', { json: { url: base + path } })),
    );
    await world.core.fetching.idle();
    expect(await world.get('GET', `/artifacts/${good!.uuid}`)).toMatchObject({
      state: 'created',
      index: 1,
      name: 'x.bin',
    });
    expect((await world.ask('GET', '/artifacts/x.bin/data')).bytes.equals(bytes)).toBe(true);
    expect(await world.get('GET', `/artifacts/${bad!.uuid}`)).toMatchObject({
      state: 'error',
      index: 0,
      error: 'the URL answers 404',
    });
  } finally {
    await world.close();
    origin.close();
  }
});

test('by default nothing inside is fetched, and with fetching off nothing at all', async () => {
  for (const [policy, error] of [
    ['public', 'the URL leads to an address that the server does not fetch from'],
    ['off', 'this server does not fetch from URLs'],
  ]) {
    const world = await openWorld({ env: { STOWAGE_FETCH: policy! } });
    const answer = await world.ask('POST', '/artifacts', { json: { url: 'http://127.0.0.1/x' } });
    expect(answer.json()).toMatchObject({ status: 403, error });
    await world.close();
  }
});

test('checkStore finds what is wrong with a store', async () => {
  const world = await openWorld();
  const artifact = await world.push('x', randomBytes(100_000));
  await world.upload(Buffer.from('open'));
  await expect(checkStore(world.folder, { readData: false })).rejects.toThrow();
  await world.server.close();
  const seen: [number, number][] = [];
  expect(await checkStore(world.folder, { readData: true, onProgress: (...now) => void seen.push(now) })).toEqual({
    blobs: 1,
    bytes: 100_000,
    uploads: 1,
    repaired: 0,
    faults: [],
    notes: [],
  });
  expect(seen).toEqual([[100_000, 100_000]]);
  const files = await readdir(world.folder, { recursive: true, withFileTypes: true });
  const file = files.find((entry) => entry.isFile() && entry.name.includes(artifact.sha512.slice(2, 40)))!;
  await truncate(join(file.parentPath, file.name), 99_999);
  expect((await checkStore(world.folder, { readData: false })).faults).toEqual([
    `the bytes with sha512 ${artifact.sha512} are rotten`,
  ]);
  await world.start();
  await world.close();
});
