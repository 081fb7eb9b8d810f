/** The console API: buckets, access keys, URLs, CORS and limits. */
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { eventually, RawConnection } from '../support/raw.ts';
import { refusal, s3Client } from '../support/s3.ts';
import { openWorld, type Asked, type Answered, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await openWorld();
  for (const name of ['shop', 'other']) await world.addNamespace(name);
});
afterAll(() => world.close());

const ask = (method: string, path: string, json?: unknown, more: Asked = {}): Promise<Answered> =>
  world.ask(method, `/api/storage${path}`, { as: 'shop', ...(json === undefined ? {} : { json }), ...more });
const make = (name: string): Promise<Answered> => ask('POST', '/buckets', { name });

describe('buckets', () => {
  test('are made, shown, listed, changed and deleted', async () => {
    const made = await ask('POST', '/buckets', { name: 'first', public: true });
    expect({ status: made.status, body: made.json() }).toEqual({
      status: 201,
      body: expect.objectContaining({ id: 'first', public: true, cors: [], cache_control: null, region: 'us-east-1' }),
    });
    expect((await ask('GET', '/buckets')).json()).toMatchObject({ total: 1, buckets: [{ name: 'first' }] });
    expect((await ask('PATCH', '/buckets/first', { public: false, cache_control: 'max-age=60' })).json()).toMatchObject(
      { public: false, cache_control: 'max-age=60' },
    );
    expect((await ask('PATCH', '/buckets/first', { public: true })).json()).toMatchObject({
      public: true,
      cache_control: 'max-age=60',
    });
    expect((await ask('DELETE', '/buckets/first')).status).toBe(204);
    expect((await ask('GET', '/buckets/first')).status).toBe(404);
  });
});

describe('access keys', () => {
  test('an access key with rights that make no sense is refused', async () => {
    for (const json of [
      { name: 'x' },
      { name: 'x', permissions: {} },
      { name: '', permissions: { read: true } },
      { name: 'x', permissions: { fly: true } },
    ])
      expect((await ask('POST', '/keys', json)).status).toBe(422);
    await world.ask('POST', '/api/storage/buckets', { as: 'other', json: { name: 'theirs' } });
    for (const bucket of ['nowhere', 'theirs'])
      expect((await ask('POST', '/keys', { name: 'x', buckets: [bucket], permissions: { read: true } })).status).toBe(
        404,
      );
  });

  test('survive a restart, and die when they are revoked', async () => {
    await make('restarted');
    const s3 = await s3Client(world, { as: 'shop' });
    const { accessKeyId } = await s3.config.credentials();
    await world.restart();
    const after = await s3Client(world, { as: 'shop', credentials: s3.config.credentials });
    await after.send(new ListObjectsV2Command({ Bucket: 'restarted' }));
    await ask('DELETE', `/keys/${accessKeyId}`);
    expect(await refusal(after.send(new ListObjectsV2Command({ Bucket: 'restarted' })))).toBe('InvalidAccessKeyId');
  });
});

describe('quotas', () => {
  const MB = 1_000_000;
  const limit = (json: Record<string, number | null>): Promise<Answered> =>
    world.ask('PATCH', '/api/storage/quotas/tight', { json });
  let s3: S3Client;
  const put = (Key: string, size: number): Promise<string | undefined> =>
    refusal(s3.send(new PutObjectCommand({ Bucket: 'tight-bucket', Key, Body: Buffer.alloc(size, Key) })));
  const account = async (): Promise<Record<string, unknown>> =>
    (await world.ask('GET', '/api/storage/usage', { as: 'tight' })).json();
  beforeAll(async () => {
    await world.addNamespace('tight');
    s3 = await s3Client(world, { as: 'tight' });
    await s3.send(new CreateBucketCommand({ Bucket: 'tight-bucket' }));
  });

  describe('R16: of what is stored', () => {
    test('are set by the system, and seen by whom they bind', async () => {
      expect(
        (await world.ask('PATCH', '/api/storage/quotas/tight', { as: 'tight', json: { quota_bytes: null } })).status,
      ).toBe(401);
      expect((await limit({ quota_bytes: 10 * MB })).json()).toMatchObject({
        quota_bytes: 10 * MB,
        transfer_bytes: null,
      });
      expect(await account()).toMatchObject({ quota_bytes: 10 * MB, stored_bytes: 0, reserved_bytes: 0 });
      expect((await world.ask('PATCH', '/api/storage/quotas/nobody', { json: { quota_bytes: 1 } })).status).toBe(404);
    });

    test('refuse what is too much, before it is sent; overwriting counts the difference; deleting frees', async () => {
      expect(await put('a', 9 * MB)).toBeUndefined();
      expect(await put('b', 2 * MB)).toBe('QuotaExceeded');
      expect(await put('a', 9.5 * MB)).toBeUndefined();
      expect(
        (await world.ask('POST', '/upload', { as: 'tight', headers: { 'Upload-Length': String(MB) } })).status,
      ).toBe(403);
      expect(await account()).toMatchObject({ stored_bytes: 9.5 * MB, reserved_bytes: 0, objects: 1 });
      await s3.send(new DeleteObjectCommand({ Bucket: 'tight-bucket', Key: 'a' }));
      expect(await put('b', 2 * MB)).toBeUndefined();
      await s3.send(new DeleteObjectCommand({ Bucket: 'tight-bucket', Key: 'b' }));
      expect(await account()).toMatchObject({ stored_bytes: 0, reserved_bytes: 0 });
    });

    test('let exactly one of two through that do not fit together, and give back what a failed one reserved', async () => {
      const both = await Promise.all([put('c', 6 * MB), put('d', 6 * MB)]);
      expect(both.toSorted()).toEqual(['QuotaExceeded', undefined]);
      expect(
        await refusal(
          s3.send(
            new PutObjectCommand({
              Bucket: 'tight-bucket',
              Key: 'e',
              Body: Buffer.alloc(3 * MB),
              ContentMD5: 'AAAAAAAAAAAAAAAAAAAAAA==',
            }),
          ),
        ),
      ).toBe('BadDigest');
      expect(await account()).toMatchObject({ stored_bytes: 6 * MB, reserved_bytes: 0 });
      expect(
        await refusal(
          s3.send(
            new CopyObjectCommand({
              Bucket: 'tight-bucket',
              Key: 'f',
              CopySource: `tight-bucket/${both[0] === undefined ? 'c' : 'd'}`,
            }),
          ),
        ),
      ).toBe('QuotaExceeded');
    });
  });

  test('R18: bound what is sent in a month, which counts bytes and begins anew', async () => {
    await limit({ quota_bytes: null, transfer_bytes: null });
    await put('aborted', 20 * MB);
    const url = new URL(
      await getSignedUrl(s3, new GetObjectCommand({ Bucket: 'tight-bucket', Key: 'aborted' }), { expiresIn: 60 }),
    );
    const connection = await RawConnection.open(world.s3Url);
    connection.head('GET', url.pathname + url.search, { Host: url.host });
    await eventually(() => connection.received.length > MB);
    connection.reset();
    await world.restart();
    const before = Number((await account())['sent_bytes']);
    expect({ 'more than was read': before > MB, 'less than the whole': before < 20 * MB }).toEqual({
      'more than was read': true,
      'less than the whole': true,
    });
    s3 = await s3Client(world, { as: 'tight' });
    await limit({ transfer_bytes: before + 3000 });
    await put('sent', 2000);
    const get = (Range?: string): Promise<string | undefined> =>
      refusal(
        s3
          .send(new GetObjectCommand({ Bucket: 'tight-bucket', Key: 'sent', Range }))
          .then(async ({ Body }) => Body!.transformToByteArray()),
      );
    await s3.send(new HeadObjectCommand({ Bucket: 'tight-bucket', Key: 'sent' }));
    expect({ get: await get('bytes=0-499'), sent_bytes: (await account())['sent_bytes'] }).toEqual({
      get: undefined,
      sent_bytes: before + 500,
    });
    expect({ first: await get(), second: await get(), third: await get() }).toEqual({
      first: undefined,
      second: undefined,
      third: 'QuotaExceeded',
    });
    expect((await world.ask('GET', '/artifacts/tight-bucket%2Fsent/data', { as: 'tight' })).status).toBe(403);
    await world.restart();
    s3 = await s3Client(world, { as: 'tight' });
    expect({ sent_bytes: (await account())['sent_bytes'], get: await get() }).toEqual({
      sent_bytes: before + 4500,
      get: 'QuotaExceeded',
    });
    world.clock.move(32 * 86_400_000);
    s3 = await s3Client(world, { as: 'tight', systemClockOffset: 32 * 86_400_000 });
    expect({ sent_bytes: (await account())['sent_bytes'], get: await get() }).toEqual({
      sent_bytes: 0,
      get: undefined,
    });
    world.clock.move(-32 * 86_400_000);
  });
});

describe('URLs', () => {
  const presign = (wish: Record<string, unknown>, as = 'shop'): Promise<Answered> =>
    world.ask('POST', '/api/storage/buckets/linked/presign', { as, json: wish });
  beforeAll(async () => void (await make('linked')));

  test('R11: put and get one object, of the type that was said', async () => {
    const put = (await presign({ key: 'a b/ü.txt', operation: 'put', content_type: 'text/plain' })).json<{
      url: string;
      method: string;
      headers: Record<string, string>;
      expires_at: string;
    }>();
    expect({ method: put.method, headers: put.headers }).toEqual({
      method: 'PUT',
      headers: { 'Content-Type': 'text/plain' },
    });
    expect((await fetch(put.url, { method: 'PUT', headers: { 'Content-Type': 'text/html' }, body: 'x' })).status).toBe(
      403,
    );
    expect((await fetch(put.url, { method: 'PUT', headers: put.headers, body: 'linked' })).status).toBe(200);
    const get = (await presign({ key: 'a b/ü.txt', operation: 'get', expires_in_seconds: 60 })).json<{
      url: string;
      expires_at: string;
    }>();
    expect(await (await fetch(get.url)).text()).toBe('linked');
    expect(Math.abs(Date.parse(get.expires_at) - world.clock.now() - 60_000)).toBeLessThan(5000);
    expect((await fetch(get.url, { method: 'PUT', body: 'x' })).status).toBe(403);
    world.clock.move(61_000);
    expect((await fetch(get.url)).status).toBe(403);
  });

  test('end with the key that asked for them', async () => {
    await world.get('POST', '/auth/namespaces/shop/keys', { json: { key_name: 'brief', key: 'a-brief-key-of-shop' } });
    const { access_token: token } = (
      await world.ask('POST', '/auth', { as: null, json: { namespace: 'shop', key: 'a-brief-key-of-shop' } })
    ).json<{ access_token: string }>();
    const { url } = (
      await world.ask('POST', '/api/storage/buckets/linked/presign', {
        as: null,
        json: { key: 'a b/ü.txt', operation: 'get' },
        headers: { Authorization: `Bearer ${token}` },
      })
    ).json<{ url: string }>();
    expect((await fetch(url)).status).toBe(200);
    await world.get('DELETE', '/auth/namespaces/shop/keys/brief');
    expect((await fetch(url)).status).toBe(403);
  });

  test("R10: have bounds, and are of the caller's own buckets", async () => {
    const fine = { key: 'k', operation: 'get' };
    for (const bad of [
      { expires_in_seconds: 0 },
      { expires_in_seconds: 86_401 },
      { expires_in_seconds: -1 },
      { expires_in_seconds: 'soon' },
      { operation: 'delete' },
      { key: '' },
      { key: 'x'.repeat(1025) },
      { content_type: 'a\nb' },
    ]) {
      expect((await presign({ ...fine, ...bad })).status).toBe(422);
    }
    for (const [wish, seconds] of [
      [{}, 600],
      [{ expires_in_seconds: 1 }, 1],
      [{ expires_in_seconds: 86_400, operation: 'put' }, 86_400],
    ] as const) {
      const { url, expires_at: until } = (await presign({ ...fine, ...wish })).json<{
        url: string;
        expires_at: string;
      }>();
      expect({
        expires: new URL(url).searchParams.get('X-Amz-Expires'),
        until: Math.abs(Date.parse(until) - world.clock.now() - seconds * 1000) < 5000,
      }).toEqual({ expires: String(seconds), until: true });
    }
    expect((await presign(fine, 'other')).status).toBe(404);
  });

  test('U33: are sixty a minute for each key', async () => {
    world.clock.move(120_000);
    const statuses = [];
    for (let time = 0; time < 61; time += 1) statuses.push((await presign({ key: 'k', operation: 'get' })).status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(60);
    const refused = await presign({ key: 'k', operation: 'get' });
    const wait = Number(refused.headers.get('retry-after'));
    expect({ status: refused.status, 'wait > 0 && wait <= 60': wait > 0 && wait <= 60 }).toEqual({
      status: 429,
      'wait > 0 && wait <= 60': true,
    });
    for (let time = 0; time < 60; time += 1)
      expect((await presign({ key: 'k', operation: 'get' }, 'system')).status).toBe(200);
    world.clock.move(wait * 1000);
    expect((await presign({ key: 'k', operation: 'get' })).status).toBe(200);
  });
});
