/** Runsite's requirements of its object storage: checks R1 to R20. The others are tested with their subjects. */
import { randomBytes } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetBucketCorsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutBucketCorsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  UploadPartCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { pino } from 'pino';
import { RawConnection } from '../support/raw.ts';
import { plain, refusal, s3Client } from '../support/s3.ts';
import { openWorld, World, type Answered, type Asked } from '../support/world.ts';

const MiB = 1024 * 1024;

let world: World;
let s3: S3Client;
/** What the server logs. */
const lines: string[] = [];
beforeAll(async () => {
  world = await openWorld({ log: pino({ level: 'debug' }, { write: (line) => void lines.push(line) }) });
  for (const name of ['shop', 'other']) await world.addNamespace(name);
  s3 = await s3Client(world, { as: 'shop' });
});
afterAll(() => world.close());

const ask = (method: string, path: string, json?: unknown, more: Asked = {}): Promise<Answered> =>
  world.ask(method, `/api/storage${path}`, { as: 'shop', ...(json === undefined ? {} : { json }), ...more });
const make = (name: string, more: Asked = {}): Promise<Answered> => ask('POST', '/buckets', { name }, more);
const put = (Bucket: string, Key: string, Body: string | Uint8Array = 'x'): Promise<unknown> =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body: Buffer.from(Body) }));

test('R1: bucket names are 3 to 63 small letters, digits and dashes', async () => {
  for (const name of ['abc', 'a-1', '0'.repeat(3), 'x'.repeat(63)])
    expect({ name, status: (await make(name)).status }).toEqual({ name, status: 201 });
  for (const name of ['', 'ab', 'x'.repeat(64), '-ab', 'ab-', 'Abc', 'a_b', 'a b', 'bücket']) {
    const refused = await make(name);
    expect({ name, status: refused.status, body: refused.json() }).toEqual({
      name,
      status: 422,
      body: { detail: expect.any(String) as string, code: 'malformed' },
    });
    if (name !== '')
      expect({
        name,
        'CreateBucket Bucket name': await refusal(s3.send(new CreateBucketCommand({ Bucket: name }))),
      }).toEqual({ name, 'CreateBucket Bucket name': 'InvalidBucketName' });
  }
  // S3 has dots in names, and this page has not.
  expect({
    status: (await make('a.b')).status,
    'CreateBucket Bucket a.b': await refusal(s3.send(new CreateBucketCommand({ Bucket: 'a.b' }))),
  }).toEqual({ status: 422, 'CreateBucket Bucket a.b': undefined });
});

test('R2: a name is one bucket, whoever asks', async () => {
  expect((await make('mine')).status).toBe(201);
  expect({
    'again by its owner': (await make('mine')).status,
    'by another': (await make('mine', { as: 'other' })).status,
  }).toEqual({ 'again by its owner': 409, 'by another': 409 });
  expect(await refusal(s3.send(new CreateBucketCommand({ Bucket: 'mine' })))).toBeUndefined();
  expect(
    await refusal((await s3Client(world, { as: 'other' })).send(new CreateBucketCommand({ Bucket: 'mine' }))),
  ).toBe('BucketAlreadyExists');
});

test('R4: what a bucket says of caches holds for objects that say nothing', async () => {
  await make('cached');
  await put('cached', 'silent');
  await s3.send(new PutObjectCommand({ Bucket: 'cached', Key: 'own', Body: 'x', CacheControl: 'no-cache' }));
  const told = async (Key: string): Promise<string | undefined> =>
    (await s3.send(new HeadObjectCommand({ Bucket: 'cached', Key }))).CacheControl;
  expect((await ask('PATCH', '/buckets/cached', { cache_control: 'max-age=60' })).json()).toMatchObject({
    cache_control: 'max-age=60',
  });
  expect({ 'told silent': await told('silent'), 'told own': await told('own') }).toEqual({
    'told silent': 'max-age=60',
    'told own': 'no-cache',
  });
  await ask('PATCH', '/buckets/cached', { cache_control: null });
  expect(await told('silent')).not.toBe('max-age=60');
});

test('R5: a bucket goes when there is no object in it', async () => {
  for (const Key of ['object', 'folder/']) {
    await make('occupied');
    await put('occupied', Key, Key.endsWith('/') ? '' : 'x');
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket: 'occupied', Key: 'open' }));
    await s3.send(new UploadPartCommand({ Bucket: 'occupied', Key: 'open', UploadId, PartNumber: 1, Body: 'part' }));
    expect({
      status: (await ask('DELETE', '/buckets/occupied')).status,
      body: (await ask('DELETE', '/buckets/occupied')).json(),
    }).toEqual({ status: 409, body: expect.objectContaining({ code: 'conflict' }) });
    expect((await ask('GET', '/usage')).json()).toMatchObject({ reserved_bytes: 4 });
    await s3.send(new DeleteObjectCommand({ Bucket: 'occupied', Key }));
    // Parts of what was never put together are no objects.
    expect((await ask('DELETE', '/buckets/occupied')).status).toBe(204);
    expect((await ask('GET', '/usage')).json()).toMatchObject({ reserved_bytes: 0 });
  }
});

test('R6: a secret is told once, kept enciphered, and never logged', async () => {
  const made = await ask('POST', '/keys', { name: 'ci', permissions: { read: true } });
  const { id, secret_access_key: secret } = made.json<{ id: string; secret_access_key: string }>();
  expect({ status: made.status, id, secret }).toEqual({
    status: 201,
    id: expect.stringMatching(/^rs_ak_/),
    secret: expect.stringMatching(/^rs_sk_.{40}/),
  });
  const client = await s3Client(world, { credentials: { accessKeyId: id, secretAccessKey: secret } });
  await put('mine', 'readable');
  await client.send(new GetObjectCommand({ Bucket: 'mine', Key: 'readable' }));
  const listed = (await ask('GET', '/keys')).bytes.toString();
  expect({
    'listed includes id': listed.includes(id),
    'listed includes secret': listed.includes(secret),
    'log names the operation': lines.some((line) => line.includes('GetObject')),
    'log names the secret': lines.some((line) => line.includes(secret)),
  }).toEqual({
    'listed includes id': true,
    'listed includes secret': false,
    'log names the operation': true,
    'log names the secret': false,
  });
  for (const name of await readdir(world.folder)) {
    const bytes = await readFile(join(world.folder, name)).catch(() => Buffer.alloc(0));
    expect({ name, 'bytes includes secret': bytes.includes(secret) }).toEqual({ name, 'bytes includes secret': false });
  }
  expect((await world.ask('DELETE', `/api/storage/keys/${id}`, { as: 'other' })).status).toBe(404);
  expect({
    revoked: (await ask('DELETE', `/keys/${id}`)).status,
    again: (await ask('DELETE', `/keys/${id}`)).status,
  }).toEqual({ revoked: 204, again: 404 });
  expect((await ask('GET', '/keys')).bytes.toString()).not.toContain(id);
});

/** What was let in may end; what comes after that is not let in. */
test('R9: a key ends at once, a body that is under way does not', async () => {
  await make('revoked');
  const brief = await s3Client(world, { as: 'shop' });
  const { accessKeyId } = await brief.config.credentials();
  const size = 100 * MiB;
  const [url, other] = await Promise.all(
    ['large', 'other'].map((Key) =>
      getSignedUrl(brief, new PutObjectCommand({ Bucket: 'revoked', Key }), { expiresIn: 300 }),
    ),
  );
  const target = new URL(url!);
  const connection = await RawConnection.open(world.s3Url);
  connection.head('PUT', target.pathname + target.search, {
    Host: target.host,
    'Content-Length': size,
    Expect: '100-continue',
  });
  expect((await connection.answer()).status).toBe(100);
  connection.send(Buffer.alloc(size / 2));
  expect((await ask('DELETE', `/keys/${accessKeyId}`)).status).toBe(204);
  expect(await plain(other!, { method: 'PUT', body: 'x' })).toMatchObject({ status: 403, code: 'InvalidAccessKeyId' });
  expect(await refusal(brief.send(new GetObjectCommand({ Bucket: 'revoked', Key: 'large' })))).toBe(
    'InvalidAccessKeyId',
  );
  connection.send(Buffer.alloc(size / 2));
  expect((await connection.answer()).status).toBe(200);
  connection.close();
  expect((await s3.send(new HeadObjectCommand({ Bucket: 'revoked', Key: 'large' }))).ContentLength).toBe(size);
});

test('R12: an access key asks for what it is for, and signs for itself', async () => {
  await make('signed-for');
  await put('signed-for', 'k', 'read me');
  const by = async (
    permissions: Record<string, boolean>,
    buckets: string[] = [],
  ): Promise<{ id: string; ask: (method: string, path: string, json?: unknown) => Promise<Answered> }> => {
    const { accessKeyId: id, secretAccessKey } = await world.accessKey('shop', { permissions, buckets });
    const Authorization = `Basic ${Buffer.from(`${id}:${secretAccessKey}`).toString('base64')}`;
    return { id, ask: (method, path, json) => ask(method, path, json, { as: null, headers: { Authorization } }) };
  };
  const reader = await by({ read: true }, ['signed-for']);
  const presign = (operation: string, bucket = 'signed-for'): Promise<Answered> =>
    reader.ask('POST', `/buckets/${bucket}/presign`, { key: 'k', operation });
  const refused = await presign('put');
  expect({ status: refused.status, body: refused.json() }).toEqual({
    status: 403,
    body: expect.objectContaining({ code: 'forbidden' }),
  });
  const { url } = (await presign('get')).json<{ url: string }>();
  expect({
    text: (await plain(url)).text,
    'access key': new URL(url).searchParams.get('X-Amz-Credential')!.split('/')[0],
  }).toEqual({ text: 'read me', 'access key': reader.id });
  // Buckets that the key is not for, and all that keys are not for.
  await make('theirs', { as: 'other' });
  const statuses = await Promise.all(
    [
      presign('get', 'mine'),
      presign('get', 'theirs'),
      reader.ask('POST', '/buckets', { name: 'not-made' }),
      reader.ask('PATCH', '/buckets/signed-for', { public: true }),
      reader.ask('DELETE', '/buckets/signed-for'),
      reader.ask('POST', '/keys', { name: 'x', permissions: { read: true } }),
      reader.ask('GET', '/keys'),
      reader.ask('DELETE', `/keys/${reader.id}`),
      reader.ask('GET', '/usage'),
      reader.ask('PATCH', '/quotas/shop', { quota_bytes: 1 }),
    ].map(async (answer) => (await answer).status),
  );
  expect(statuses).toEqual([403, 404, 403, 403, 403, 403, 403, 403, 403, 401]);
  expect({
    body: (await reader.ask('GET', '/buckets')).json(),
    status: (await reader.ask('GET', '/buckets/signed-for')).status,
  }).toEqual({ body: expect.objectContaining({ total: 1 }), status: 200 });
  const admin = await by({ admin: true });
  expect({
    'make a bucket': (await admin.ask('POST', '/buckets', { name: 'made-by-key' })).status,
    'GET /keys status': (await admin.ask('GET', '/keys')).status,
    'revoke a key': (await admin.ask('DELETE', `/keys/${reader.id}`)).status,
  }).toEqual({
    'make a bucket': 201,
    'GET /keys status': 200,
    'revoke a key': 204,
  });
  expect({ code: (await plain(url)).code, status: (await presign('get')).status }).toEqual({
    code: 'InvalidAccessKeyId',
    status: 401,
  });
  for (const shown of [`${admin.id}:wrong`, 'nobody:x', admin.id])
    expect(
      (
        await ask('GET', '/buckets', undefined, {
          as: null,
          headers: { Authorization: `Basic ${Buffer.from(shown).toString('base64')}` },
        })
      ).status,
    ).toBe(401);
  // The system's own keys are bound no less.
  const { accessKeyId, secretAccessKey } = await world.accessKey('system', { permissions: { read: true } });
  const Authorization = `Basic ${Buffer.from(`${accessKeyId}:${secretAccessKey}`).toString('base64')}`;
  expect(
    (await ask('PATCH', '/quotas/shop', { quota_bytes: 1 }, { as: null, headers: { Authorization } })).status,
  ).toBe(403);
});

describe('R14: rules for pages of other origins', () => {
  const origin = 'https://app.example';
  const rule = {
    allowed_origins: [origin],
    allowed_methods: ['GET', 'PUT'],
    allowed_headers: ['*'],
    max_age_seconds: 3600,
  };
  const preflight = (
    Origin: string,
    method: string,
    headers = 'content-type, x-amz-meta-a',
  ): ReturnType<typeof plain> =>
    plain(`${world.s3Url}/paged/k`, {
      method: 'OPTIONS',
      headers: { Origin, 'Access-Control-Request-Method': method, 'Access-Control-Request-Headers': headers },
    });
  const shown = ({ status, headers }: { status: number; headers: Headers }): unknown[] => [
    status,
    ...['allow-origin', 'allow-headers', 'max-age'].map((name) => headers.get(`access-control-${name}`)),
  ];
  beforeAll(() => make('paged'));

  test('are asked for before, and told with every answer', async () => {
    expect((await ask('PATCH', '/buckets/paged/cors', { rules: [rule] })).status).toBe(200);
    const allowed = await preflight(origin, 'PUT');
    expect(shown(allowed)).toEqual([200, origin, 'content-type, x-amz-meta-a', '3600']);
    expect(allowed.headers.get('vary')).toContain('Origin');
    for (const refused of [await preflight('https://evil.example', 'PUT'), await preflight(origin, 'DELETE')])
      expect(shown(refused)).toEqual([403, null, null, null]);
    const headers = { Origin: origin };
    const put = await plain(await getSignedUrl(s3, new PutObjectCommand({ Bucket: 'paged', Key: 'k' })), {
      method: 'PUT',
      body: 'x',
      headers,
    });
    const get = await plain(await getSignedUrl(s3, new GetObjectCommand({ Bucket: 'paged', Key: 'k' })), { headers });
    const none = await plain(await getSignedUrl(s3, new GetObjectCommand({ Bucket: 'paged', Key: 'none' })), {
      headers,
    });
    expect(
      [put, get, none, await plain(`${world.s3Url}/paged/k`, { headers })].map(({ status, headers: got }) => [
        status,
        got.get('access-control-allow-origin'),
      ]),
    ).toEqual([
      [200, origin],
      [200, origin],
      [404, origin],
      [403, origin],
    ]);
    expect(put.headers.get('access-control-expose-headers')).toBe('ETag');
  });

  test('name headers one by one, too', async () => {
    await ask('PATCH', '/buckets/paged/cors', { rules: [{ ...rule, allowed_headers: ['content-type'] }] });
    expect({
      'a header that is allowed': (await preflight(origin, 'PUT', 'content-type')).status,
      'a header that is not': (await preflight(origin, 'PUT', 'authorization')).status,
    }).toEqual({ 'a header that is allowed': 200, 'a header that is not': 403 });
  });

  test('are the ones that S3 knows', async () => {
    expect((await s3.send(new GetBucketCorsCommand({ Bucket: 'paged' }))).CORSRules).toMatchObject([
      {
        AllowedOrigins: [origin],
        AllowedMethods: ['GET', 'PUT'],
        AllowedHeaders: ['content-type'],
        MaxAgeSeconds: 3600,
      },
    ]);
    await s3.send(
      new PutBucketCorsCommand({
        Bucket: 'paged',
        CORSConfiguration: { CORSRules: [{ AllowedOrigins: ['*'], AllowedMethods: ['GET'] }] },
      }),
    );
    expect((await ask('GET', '/buckets/paged')).json()).toMatchObject({
      cors: [{ allowed_origins: ['*'], allowed_methods: ['GET'] }],
    });
    expect((await preflight('https://any.example', 'GET', '')).headers.get('access-control-allow-origin')).toBe('*');
    await ask('PATCH', '/buckets/paged/cors', { rules: [] });
    expect(await refusal(s3.send(new GetBucketCorsCommand({ Bucket: 'paged' })))).toBe('NoSuchCORSConfiguration');
  });
});

test('R15: rules that make no sense are none', async () => {
  await make('unruly');
  const rule = { allowed_origins: ['https://app.example', 'https://*.test'], allowed_methods: ['GET'] };
  expect((await ask('PATCH', '/buckets/unruly/cors', { rules: [rule] })).status).toBe(200);
  for (const bad of [
    { allowed_methods: ['PATCH'] },
    { allowed_methods: [] },
    { allowed_origins: ['https://a.*.test'] },
    { allowed_origins: ['https://*.*.test'] },
    { allowed_origins: [] },
    { max_age_seconds: -1 },
    { max_age_seconds: 'soon' },
  ]) {
    expect((await ask('PATCH', '/buckets/unruly/cors', { rules: [{ ...rule, ...bad }] })).status).toBe(422);
  }
  expect((await ask('GET', '/buckets/unruly')).json()).toMatchObject({ cors: [rule] });
});

test('R17: the same bytes in two buckets count twice, and lie there once', async () => {
  const content = randomBytes(100_000);
  const stored = async (): Promise<number> => Number((await ask('GET', '/usage')).json()['stored_bytes']);
  const [before, lay] = [await stored(), (await world.core.totals()).bytes];
  for (const Bucket of ['one-of-two', 'two-of-two']) {
    await make(Bucket);
    await put(Bucket, 'same', content);
    expect((await ask('GET', `/buckets/${Bucket}/usage`)).json()).toEqual({ objects: 1, bytes: content.length });
  }
  expect({
    'more bytes on the account': (await stored()) - before,
    'more bytes on disk': (await world.core.totals()).bytes - lay,
  }).toEqual({
    'more bytes on the account': 2 * content.length,
    'more bytes on disk': content.length,
  });
});

test('R19: buckets of others are not there', async () => {
  await make('guessed');
  for (const [method, path, json] of [
    ['GET', '', undefined],
    ['PATCH', '', { public: true }],
    ['PATCH', '/cors', { rules: [] }],
    ['GET', '/usage', undefined],
    ['POST', '/presign', { key: 'k', operation: 'get' }],
    ['DELETE', '', undefined],
  ] as const) {
    const other = await world.ask(method, `/api/storage/buckets/guessed${path}`, {
      as: 'other',
      ...(json ? { json } : {}),
    });
    const none = await world.ask(method, `/api/storage/buckets/never-made${path}`, {
      as: 'other',
      ...(json ? { json } : {}),
    });
    expect({ method, path, status: other.status, text: other.bytes.toString() }).toEqual({
      method,
      path,
      status: 404,
      text: none.bytes.toString(),
    });
  }
  expect(
    (await world.ask('GET', '/api/storage/buckets', { as: 'other' }))
      .json<{ buckets: { namespace: string }[] }>()
      .buckets.filter(({ namespace }) => namespace !== 'other'),
  ).toEqual([]);
  expect((await world.ask('GET', '/api/storage/buckets', { as: null })).status).toBe(401);
});

test('R20: what is counted is what is there, after a crash too', async () => {
  await world.addNamespace('counted');
  const client = await s3Client(world, { as: 'counted' });
  for (const Bucket of ['counted-plain', 'counted-versions']) await client.send(new CreateBucketCommand({ Bucket }));
  await client.send(
    new PutBucketVersioningCommand({ Bucket: 'counted-versions', VersioningConfiguration: { Status: 'Enabled' } }),
  );
  const sizes = { 'counted-plain': new Map<string, number>(), 'counted-versions': new Map<string, number>() };
  /** Asked of the server: what it keeps count of, and what it counts when it is asked. */
  const told = async (from: World): Promise<unknown> => {
    const {
      stored_bytes: stored,
      objects,
      bytes,
      reserved_bytes: reserved,
    } = (await from.ask('GET', '/api/storage/usage', { as: 'counted' })).json();
    return { stored, objects, bytes, reserved };
  };
  /** Counted here. */
  const counted = (): unknown => {
    const all = Object.values(sizes).flatMap((versions) => [...versions.values()]);
    const bytes = all.reduce((sum, size) => sum + size, 0);
    return { stored: bytes, objects: all.length, bytes, reserved: 0 };
  };
  for (let turn = 0; turn < 12; turn += 1) {
    for (const [Bucket, versions] of Object.entries(sizes)) {
      const Key = `k${turn % 3}`;
      const versioned = Bucket === 'counted-versions';
      if (turn % 4 === 3) {
        await client.send(new DeleteObjectCommand({ Bucket, Key }));
        if (!versioned) versions.delete(Key);
        continue;
      }
      const size = 1000 + turn;
      await client.send(new PutObjectCommand({ Bucket, Key, Body: randomBytes(size) }));
      versions.set(versioned ? `${Key} ${turn}` : Key, size);
    }
    expect(await told(world)).toEqual(counted());
  }
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket: 'counted-plain', Key: 'k0' }));
  const part = { Bucket: 'counted-plain', Key: 'k0', UploadId };
  const Parts = [];
  for (const [at, size] of [5 * MiB, 77].entries())
    Parts.push({
      PartNumber: at + 1,
      ETag: (await client.send(new UploadPartCommand({ ...part, PartNumber: at + 1, Body: randomBytes(size) }))).ETag,
    });
  await client.send(new CompleteMultipartUploadCommand({ ...part, MultipartUpload: { Parts } }));
  sizes['counted-plain'].set('k0', 5 * MiB + 77);
  expect(await told(world)).toEqual(counted());
  // A copy of the folder while the server runs is what a crash leaves.
  const left = await mkdtemp(join(tmpdir(), 'stowage-crashed-'));
  await cp(world.folder, left, { recursive: true, filter: (path) => !path.includes('in-use') });
  const crashed = new World(left, {});
  await crashed.start();
  try {
    crashed.know('counted');
    expect(await told(crashed)).toEqual(counted());
  } finally {
    await crashed.close();
  }
});
