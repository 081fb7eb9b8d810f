/** Downloads: whole, partial, conditional, and interrupted. */
import { createHash, randomBytes } from 'node:crypto';
import { readdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { letGo, unread } from '../support/cut.ts';
import { eventually, RawConnection } from '../support/raw.ts';
import { openWorld, type Answered, type ArtifactView, type World } from '../support/world.ts';

const bytes = randomBytes(1_000_000);
const sha512 = createHash('sha512').update(bytes).digest();
const etag = `"${sha512.toString('hex')}"`;

let world: World;
let artifact: ArtifactView;
let paths: string[];

beforeAll(async () => {
  world = await openWorld({ env: { STOWAGE_STALL: '300ms' } });
  artifact = await world.push('größe "1".bin', bytes);
  paths = [
    `/blobs/${artifact.blob_uuid}/data`,
    `/artifacts/${artifact.uuid}/data`,
    `/artifacts/${encodeURIComponent(artifact.name)}/data`,
    `/artifacts/${artifact.uuid}/versions/1/data`,
  ];
});
afterAll(() => world.close());

const get = (headers: Record<string, string> = {}, query = '', method = 'GET'): Promise<Answered> =>
  world.ask(method, `${paths[0]}${query}`, { headers });

test('every way leads to the same bytes, with everything there is to know of them', async () => {
  for (const path of paths) {
    const answer = await world.ask('GET', path);
    expect(answer.bytes.equals(bytes)).toBe(true);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      etag: etag,
      'repr-digest': `sha-512=:${sha512.toString('base64')}:`,
      'accept-ranges': 'bytes',
      'x-blob-uuid': artifact.blob_uuid,
      'x-blob-size': String(bytes.length),
      'content-type': 'application/octet-stream',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; default-src 'none'",
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'private, no-cache',
      'content-disposition': expect.stringMatching(
        path.startsWith('/blobs')
          ? /^attachment; filename="[0-9a-f-]{36}"$/
          : /^attachment; filename="gr__e _1_\.bin"; filename\*=UTF-8''/,
      ),
    });
    expect(new Date(answer.headers.get('last-modified')!).getTime()).toBeGreaterThan(Date.now() - 60_000);
  }
});

test('a whole answer is chunked, so that a cut can be seen; a head has the length', async () => {
  const plain = await get();
  expect({
    status: plain.status,
    'transfer-encoding': plain.headers.get('transfer-encoding'),
    'content-length': plain.headers.get('content-length'),
  }).toEqual({ status: 200, 'transfer-encoding': 'chunked', 'content-length': null });
  const head = await get({}, '', 'HEAD');
  expect({
    status: head.status,
    'content-length': head.headers.get('content-length'),
    etag: head.headers.get('etag'),
    length: head.bytes.length,
  }).toEqual({ status: 200, 'content-length': '1000000', etag, length: 0 });
  const part = await get({}, '?offset=999990', 'HEAD');
  expect({ status: part.status, 'content-length': part.headers.get('content-length') }).toEqual({
    status: 200,
    'content-length': '10',
  });
});

test('a client of HTTP/1.0 gets a length, since it knows no chunks', async () => {
  const connection = await RawConnection.open(world.url);
  connection.send(`GET ${paths[0]} HTTP/1.0\r\nAuthorization: Bearer ${await world.token()}\r\n\r\n`);
  const answer = await connection.answer();
  expect({
    'content-length': answer.headers['content-length'],
    'transfer-encoding': answer.headers['transfer-encoding'],
    length: answer.body.length,
  }).toEqual({ 'content-length': '1000000', 'transfer-encoding': undefined, length: 1_000_000 });
});

test.each([
  ['?offset=0', 0, 1_000_000],
  ['?offset=1', 1, 1_000_000],
  ['?offset=999999', 999_999, 1_000_000],
  ['?offset=1000000', 0, 0],
  ['?offset=9999999', 0, 0],
  ['?limit=10', 0, 10],
  ['?offset=5&limit=10', 5, 15],
  ['?offset=999995&limit=10', 999_995, 1_000_000],
  ['?limit=0', 0, 1_000_000],
  ['?offset=65536&limit=65537', 65_536, 131_073],
])('%s is 200, always', async (query, from, to) => {
  const answer = await get({}, query);
  expect({ status: answer.status, 'content-length': answer.headers.get('content-length') }).toEqual({
    status: 200,
    'content-length': null,
  });
  expect(answer.bytes.equals(bytes.subarray(from, to))).toBe(true);
});

test.each([
  ['bytes=0-0', 0, 1],
  ['bytes=0-', 0, 1_000_000],
  ['bytes=100-199', 100, 200],
  ['bytes=999999-', 999_999, 1_000_000],
  ['bytes=-1', 999_999, 1_000_000],
  ['bytes=-5000000', 0, 1_000_000],
  ['bytes=5-5000000', 5, 1_000_000],
  ['bytes=262143-262144', 262_143, 262_145],
])('Range: %s', async (range, from, to) => {
  const answer = await get({ Range: range });
  expect({
    status: answer.status,
    'content-range': answer.headers.get('content-range'),
    'content-length': answer.headers.get('content-length'),
  }).toEqual({ status: 206, 'content-range': `bytes ${from}-${to - 1}/1000000`, 'content-length': String(to - from) });
  expect(answer.bytes.equals(bytes.subarray(from, to))).toBe(true);
});

test.each(['bytes=1000000-', 'bytes=-0', 'bytes=99999999999999999999-'])(
  'Range: %s cannot be satisfied',
  async (range) => {
    const answer = await get({ Range: range });
    expect({ status: answer.status, 'content-range': answer.headers.get('content-range') }).toEqual({
      status: 416,
      'content-range': 'bytes */1000000',
    });
    expect(answer.json()).toMatchObject({ code: 'out_of_range', size: 1_000_000 });
  },
);

test.each([
  'bytes=0-1,5-6',
  `bytes=${Array.from({ length: 1000 }, (_, at) => `${at}-${at}`).join(',')}`,
  'bytes=5-2',
  'bytes=-',
  'lines=1-2',
  'bytes=a-b',
])('Range: %.40s is passed over', async (range) => {
  const answer = await get({ Range: range });
  expect({ status: answer.status, length: answer.bytes.length }).toEqual({ status: 200, length: 1_000_000 });
});

test('conditional requests are answered by the ETag', async () => {
  const status = async (headers: Record<string, string>): Promise<number> => (await get(headers)).status;
  const modified = (await get({}, '', 'HEAD')).headers.get('last-modified')!;
  expect(await status({ 'If-None-Match': etag })).toBe(304);
  expect(await status({ 'If-None-Match': '"x"' })).toBe(200);
  expect(await status({ 'If-Match': '"x"' })).toBe(412);
  expect(await status({ 'If-Match': etag })).toBe(200);
  expect(await status({ 'If-Modified-Since': modified })).toBe(304);
  expect(await status({ Range: 'bytes=0-9', 'If-Range': etag })).toBe(206);
  expect(await status({ Range: 'bytes=0-9', 'If-Range': '"x"' })).toBe(200);
  expect(await status({ Range: 'bytes=0-9', 'If-Range': modified })).toBe(206);
  expect(await status({ Range: 'bytes=0-9', 'If-None-Match': etag })).toBe(304);
  const unchanged = await get({ 'If-None-Match': etag });
  expect({ etag: unchanged.headers.get('etag'), length: unchanged.bytes.length }).toEqual({ etag, length: 0 });
});

test('another digest is given where it is known', async () => {
  const digest = async (wanted: string): Promise<string | null> =>
    (await get({ 'Want-Repr-Digest': wanted }, '', 'HEAD')).headers.get('repr-digest');
  expect(await digest('sha-256=10')).toMatch(/^sha-512=/);
  await world.get('GET', `/blobs/${artifact.blob_uuid}/checksum/sha256`);
  expect(await digest('sha-256=10')).toBe(`sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`);
  expect(await digest('sha-256=1, sha-512=9')).toMatch(/^sha-512=/);
  expect(await digest('nonsense')).toMatch(/^sha-512=/);
});

test('what a browser could run is never shown, what it could not may be', async () => {
  for (const [name, type] of [
    ['x.html', 'application/octet-stream'],
    ['x.svg', 'application/octet-stream'],
    ['x.pdf', 'application/octet-stream'],
    ['x.txt', 'text/plain; charset=utf-8'],
    ['x.png', 'image/png'],
  ]) {
    await world.push(name!, Buffer.from(`<script>alert(1)</script>${name}`));
    const answer = await world.ask('GET', `/artifacts/${name}/data`);
    expect({ name, 'content-type': answer.headers.get('content-type') }).toEqual({ name, 'content-type': type });
    expect(answer.headers.get('content-disposition')).toBe(
      `${type === 'application/octet-stream' ? 'attachment' : 'inline'}; filename="${name}"`,
    );
  }
});

describe('when things break', () => {
  test('a disk that gives too little ends the connection, and never the answer', async () => {
    const broken = await world.push('broken', randomBytes(40_000_000));
    const files = await readdir(world.folder, { recursive: true, withFileTypes: true });
    const file =
      files.find(
        (entry) => entry.isFile() && join(entry.parentPath, entry.name).includes(broken.sha512.slice(2, 20)),
      ) ?? files.find((entry) => entry.isFile() && entry.name.includes(broken.sha512.slice(0, 40)));
    const path = join(file!.parentPath, file!.name);
    const connection = await RawConnection.open(world.url);
    connection.socket.pause();
    connection.head('GET', `/blobs/${broken.blob_uuid}/data`, { Authorization: `Bearer ${await world.token()}` });
    await eventually(() => unread(connection.socket) > 0);
    await truncate(path, 39_000_000);
    connection.socket.resume();
    await connection.end();
    expect(connection.received).toContain('200 OK');
    expect(connection.received.endsWith('0\r\n\r\n')).toBe(false);
    // From then on it is known not to be what it was.
    const again = await world.ask('GET', `/blobs/${broken.blob_uuid}/data`);
    expect(again.json()).toMatchObject({ status: 500, code: 'lost' });
  });

  test('a client that goes away, or takes nothing, holds nothing open', async () => {
    const large = await world.push('large', Buffer.alloc(64_000_000, 1));
    for (const how of ['leave', 'stall'] as const) {
      const connection = await RawConnection.open(world.url);
      connection.head('GET', `/blobs/${large.blob_uuid}/data`, { Authorization: `Bearer ${await world.token()}` });
      await eventually(() => connection.received.length > 0);
      connection.socket.pause();
      if (how === 'leave') connection.reset();
      else {
        await eventually(() => letGo(connection.socket));
        connection.socket.resume();
        await connection.end();
        expect(connection.received.length).toBeLessThan(64_000_000);
      }
    }
    // The server is still well, and closes without waiting for anyone.
    expect((await world.ask('GET', '/livez', { as: null })).status).toBe(200);
  });
});
