/** S3 over the wire beyond stock clients: forms, CORS, hosts, policies, unusual requests. */
import { createHmac, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutBucketAclCommand,
  PutBucketCorsCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  PutPublicAccessBlockCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { createPresignedPost } from '@aws-sdk/s3-presigned-post';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { pino } from 'pino';
import { eventually, RawConnection } from '../support/raw.ts';
import { refusal, s3Client } from '../support/s3.ts';
import { presignByHand } from '../support/sigv4.ts';
import { openWorld, type World } from '../support/world.ts';

const Bucket = 'wired';
let world: World;
let s3: S3Client;
/** What the server logs. */
const lines: string[] = [];
beforeAll(async () => {
  world = await openWorld({
    log: pino({ level: 'debug' }, { write: (line) => void lines.push(line) }),
    env: {
      STOWAGE_S3_DOMAIN: 's3.test',
      STOWAGE_S3_ACCESS_KEY_ID: 'AKIDROOT',
      STOWAGE_S3_SECRET_ACCESS_KEY: 'a-secret-of-the-root-key',
    },
  });
  s3 = await s3Client(world);
  await s3.send(new CreateBucketCommand({ Bucket }));
});
afterAll(() => world.close());

const read = async (Key: string): Promise<string> =>
  (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body!.transformToString();
const codeOf = (xml: string): string | undefined => /<Code>(\w+)<\/Code>/.exec(xml)?.[1];

describe('U35: forms', () => {
  async function post(
    fields: Record<string, string>,
    content: string | Blob,
    url = `${world.s3Url}/${Bucket}`,
  ): Promise<{ status: number; text: string; headers: Headers }> {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    form.append('file', new Blob([content]), 'photo.txt');
    const answer = await fetch(url, { method: 'POST', body: form, redirect: 'manual' });
    return { status: answer.status, text: await answer.text(), headers: answer.headers };
  }

  test('a form that the SDK signed is accepted', async () => {
    const { url, fields } = await createPresignedPost(s3, {
      Bucket,
      Key: 'forms/${filename}',
      Conditions: [
        ['content-length-range', 1, 1000],
        ['starts-with', '$Content-Type', 'text/'],
        { success_action_status: '201' },
      ],
      Fields: { 'Content-Type': 'text/plain', success_action_status: '201' },
      Expires: 600,
    });
    const made = await post(fields, 'from a form', url);
    expect({
      status: made.status,
      'text includes <Key>forms/photo.txt</Key>': made.text.includes('<Key>forms/photo.txt</Key>'),
    }).toEqual({ status: 201, 'text includes <Key>forms/photo.txt</Key>': true });
    expect(await read('forms/photo.txt')).toBe('from a form');
    expect((await s3.send(new HeadObjectCommand({ Bucket, Key: 'forms/photo.txt' }))).ContentType).toBe('text/plain');
    expect((await post({ ...fields, success_action_status: '200' }, 'x', url)).status).toBe(403);
    expect(codeOf((await post(fields, 'x'.repeat(1001), url)).text)).toBe('EntityTooLarge');
    expect(codeOf((await post({ ...fields, Policy: `${fields['Policy']!.slice(0, -4)}AAAA` }, 'x', url)).text)).toBe(
      'SignatureDoesNotMatch',
    );
    expect(codeOf((await post({ ...fields, key: 'elsewhere' }, 'x', url)).text)).toBe('AccessDenied');
    expect(codeOf((await post(fields, '', url)).text)).toBe('EntityTooSmall');
    expect(codeOf((await post({ ...fields, 'Content-Type': 'image/png' }, 'x', url)).text)).toBe('AccessDenied');
    expect(codeOf((await post({ ...fields, acl: 'public-read' }, 'x', url)).text)).toBe('AccessDenied');
    expect(codeOf((await post({ ...fields, 'X-Amz-Signature': '0'.repeat(64) }, 'x', url)).text)).toBe(
      'SignatureDoesNotMatch',
    );
    world.clock.move(601_000);
    expect(codeOf((await post(fields, 'late', url)).text)).toBe('AccessDenied');
    world.clock.move(-601_000);
  });

  test('that ask for no answer get none', async () => {
    const { url, fields } = await createPresignedPost(s3, {
      Bucket,
      Key: 'forms/quiet',
      Conditions: [['starts-with', '$key', 'forms/']],
      Expires: 600,
    });
    expect(await post(fields, 'quiet', url)).toMatchObject({ status: 204, text: '' });
    expect(await read('forms/quiet')).toBe('quiet');
  });

  test('signed the old way, with a redirect', async () => {
    const policy = Buffer.from(
      JSON.stringify({
        expiration: new Date(Date.now() + 60_000).toISOString(),
        conditions: [{ bucket: Bucket }, ['eq', '$key', 'old'], ['starts-with', '$success_action_redirect', 'http://']],
      }),
    ).toString('base64');
    const signature = createHmac('sha1', 'a-secret-of-the-root-key').update(policy).digest('base64');
    const made = await post(
      { key: 'old', AWSAccessKeyId: 'AKIDROOT', policy, signature, success_action_redirect: 'http://there/done?a=1' },
      'old form',
    );
    expect({ status: made.status, location: made.headers.get('location') }).toEqual({
      status: 303,
      location: expect.stringMatching(/^http:\/\/there\/done\?a=1&bucket=wired&key=old&etag=%22[0-9a-f]{32}%22$/),
    });
    expect(await read('old')).toBe('old form');
  });

  test("without a policy are anybody's, who may nothing", async () => {
    expect(codeOf((await post({ key: 'anonymous' }, 'x')).text)).toBe('AccessDenied');
    expect(codeOf((await post({}, 'x')).text)).toBe('InvalidArgument');
    expect(codeOf(await (await fetch(`${world.s3Url}/${Bucket}`, { method: 'POST', body: 'x' })).text())).toBe(
      'MalformedPOSTRequest',
    );
  });
});

describe('U34: pages of other origins', () => {
  const origin = { Origin: 'https://app.example' };
  const ask = (method: string, headers: Record<string, string>, path = `/${Bucket}/by-page`): Promise<Response> =>
    fetch(`${world.s3Url}${path}`, { method, headers });
  beforeAll(() =>
    s3.send(
      new PutBucketCorsCommand({
        Bucket,
        CORSConfiguration: {
          CORSRules: [
            {
              AllowedOrigins: ['https://*.example'],
              AllowedMethods: ['PUT', 'GET'],
              AllowedHeaders: ['content-type', 'x-amz-*'],
              ExposeHeaders: ['ETag'],
              MaxAgeSeconds: 60,
            },
          ],
        },
      }),
    ),
  );

  test('ask first, and need no signature for that', async () => {
    const allowed = await ask('OPTIONS', {
      ...origin,
      'Access-Control-Request-Method': 'PUT',
      'Access-Control-Request-Headers': 'content-type,x-amz-meta-a',
    });
    expect({
      status: allowed.status,
      'access-control-allow-origin': allowed.headers.get('access-control-allow-origin'),
      'access-control-allow-headers': allowed.headers.get('access-control-allow-headers'),
      'access-control-max-age': allowed.headers.get('access-control-max-age'),
    }).toEqual({
      status: 200,
      'access-control-allow-origin': origin.Origin,
      'access-control-allow-headers': 'content-type, x-amz-meta-a',
      'access-control-max-age': '60',
    });
    for (const headers of [
      { Origin: 'https://evil.test', 'Access-Control-Request-Method': 'PUT' },
      { ...origin, 'Access-Control-Request-Method': 'DELETE' },
      { ...origin, 'Access-Control-Request-Method': 'PUT', 'Access-Control-Request-Headers': 'authorization' },
    ]) {
      const refused = await ask('OPTIONS', headers);
      expect({
        status: refused.status,
        'access-control-allow-origin': refused.headers.get('access-control-allow-origin'),
      }).toEqual({ status: 403, 'access-control-allow-origin': null });
    }
    expect((await ask('OPTIONS', {})).status).toBe(400);
  });

  test('then put, by a URL, and may read the tag, also of a refusal', async () => {
    const url = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: 'by-page' }), { expiresIn: 60 });
    const put = await fetch(url, { method: 'PUT', body: 'x', headers: origin });
    expect({
      status: put.status,
      'access-control-allow-origin': put.headers.get('access-control-allow-origin'),
      'access-control-expose-headers': put.headers.get('access-control-expose-headers'),
      vary: put.headers.get('vary'),
    }).toEqual({
      status: 200,
      'access-control-allow-origin': origin.Origin,
      'access-control-expose-headers': 'ETag',
      vary: expect.stringContaining('Origin'),
    });
    const refused = await ask('GET', origin);
    expect({
      status: refused.status,
      'access-control-allow-origin': refused.headers.get('access-control-allow-origin'),
    }).toEqual({ status: 403, 'access-control-allow-origin': origin.Origin });
  });
});

describe('a bucket that is open', () => {
  test('R3: lets anybody read its objects, and nothing else, until it is closed', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'open', Body: '<script>', ContentType: 'text/html' }));
    expect((await fetch(`${world.s3Url}/${Bucket}/open`)).status).toBe(403);
    await world.get('PATCH', `/api/storage/buckets/${Bucket}`, { json: { public: true } });
    const got = await fetch(`${world.s3Url}/${Bucket}/open`);
    expect({
      status: got.status,
      text: await got.text(),
      'x-content-type-options': got.headers.get('x-content-type-options'),
      'content-security-policy': got.headers.get('content-security-policy'),
    }).toEqual({
      status: 200,
      text: '<script>',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; default-src 'none'",
    });
    expect((await fetch(`${world.s3Url}/${Bucket}/open`, { method: 'HEAD' })).headers.get('content-length')).toBe('8');
    expect(await (await fetch(`${world.s3Url}/${Bucket}/open`, { headers: { Range: 'bytes=1-6' } })).text()).toBe(
      'script',
    );
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '?list-type=2'],
      ['GET', '?versions'],
      ['PUT', '/x'],
      ['PUT', '/open'],
      ['DELETE', '/open'],
      ['POST', '/open?uploads'],
      ['GET', '?acl'],
      ['GET', '/open?acl'],
    ] as const) {
      expect(
        (await fetch(`${world.s3Url}/${Bucket}${path}`, { method, ...(method === 'PUT' ? { body: 'x' } : {}) })).status,
      ).toBe(403);
    }
    await world.get('PATCH', `/api/storage/buckets/${Bucket}`, { json: { public: false } });
    expect((await fetch(`${world.s3Url}/${Bucket}/open`)).status).toBe(403);
  });

  test('a policy may open it, a block may forbid that, and a deny wins', async () => {
    const policy = (...Statement: object[]): PutBucketPolicyCommand =>
      new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) });
    const allow = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/pub/*` };
    for (const Key of ['pub/yes', 'pub/no', 'private']) await s3.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
    await s3.send(
      policy(allow, { Effect: 'Deny', Principal: '*', Action: 's3:*', Resource: `arn:aws:s3:::${Bucket}/pub/no` }),
    );
    const status = async (key: string): Promise<number> => (await fetch(`${world.s3Url}/${Bucket}/${key}`)).status;
    expect({
      'status pub/yes': await status('pub/yes'),
      'status pub/no': await status('pub/no'),
      'status private': await status('private'),
    }).toEqual({ 'status pub/yes': 200, 'status pub/no': 403, 'status private': 403 });
    expect(await refusal(s3.send(new HeadObjectCommand({ Bucket, Key: 'pub/no' })))).toBe('403');
    await s3.send(
      new PutPublicAccessBlockCommand({
        Bucket,
        PublicAccessBlockConfiguration: { BlockPublicPolicy: true, RestrictPublicBuckets: true },
      }),
    );
    expect(await status('pub/yes')).toBe(403);
    expect(await refusal(s3.send(policy(allow)))).toBe('AccessDenied');
    for (const bad of [
      'no json',
      '{}',
      '{"Statement":[{"Effect":"Maybe"}]}',
      JSON.stringify({ Statement: [{ ...allow, Resource: 'arn:aws:s3:::other-bucket/*' }] }),
    ]) {
      expect(await refusal(s3.send(new PutBucketPolicyCommand({ Bucket, Policy: bad })))).toBe('MalformedPolicy');
    }
  });
});

describe('lists', () => {
  test('name nobody by an address, in a header or a document', async () => {
    expect(
      await refusal(
        s3.send(
          new PutObjectCommand({ Bucket, Key: 'listed', Body: 'x', GrantRead: 'emailAddress=somebody@example.com' }),
        ),
      ),
    ).toBe('UnresolvableGrantByEmailAddress');
    const Grants = [
      {
        Grantee: { Type: 'AmazonCustomerByEmail' as const, EmailAddress: 'somebody@example.com' },
        Permission: 'READ' as const,
      },
    ];
    expect(
      await refusal(
        s3.send(new PutBucketAclCommand({ Bucket, AccessControlPolicy: { Owner: { ID: 'system' }, Grants } })),
      ),
    ).toBe('UnresolvableGrantByEmailAddress');
    expect(await refusal(s3.send(new HeadObjectCommand({ Bucket, Key: 'listed' })))).toBe('404');
  });
});

describe('requests', () => {
  test('name the bucket in the path or in the host', async () => {
    const inHost = await s3Client(world, { forcePathStyle: true });
    await inHost.send(new PutObjectCommand({ Bucket, Key: 'hosted', Body: 'h' }));
    const url = new URL(
      await getSignedUrl(
        await s3Client(world, { endpoint: 'http://s3.test', forcePathStyle: false }),
        new GetObjectCommand({ Bucket, Key: 'hosted' }),
        { expiresIn: 60 },
      ),
    );
    const { port } = new URL(world.s3Url);
    const text = await new Promise<string>((resolve, reject) =>
      request({ host: '127.0.0.1', port, path: url.pathname + url.search, headers: { Host: url.host } }, (answer) => {
        let body = '';
        answer
          .setEncoding('utf8')
          .on('data', (chunk: string) => (body += chunk))
          .on('end', () => resolve(body));
      })
        .on('error', reject)
        .end(),
    );
    expect(text).toBe('h');
  });

  test('that are refused get no leave to send their body', async () => {
    const connection = await RawConnection.open(world.s3Url);
    connection.head('PUT', `/${Bucket}/expected`, { 'Content-Length': 5, Expect: '100-continue' });
    const { status, body } = await connection.answer();
    expect({ status, code: codeOf(body) }).toEqual({ status: 403, code: 'AccessDenied' });
    connection.close();
  });

  test('to read an object find its bucket once, and the object once', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'found', Body: 'x' }));
    const { buckets, objects } = world.core;
    const asked: string[] = [];
    const counted = <K extends 'allow' | 'peek'>(
      of: Partial<Record<K, (...args: never[]) => unknown>>,
      method: K,
      name: string,
    ): void => {
      const real = of[method]!.bind(of) as (...args: unknown[]) => unknown;
      of[method] = (...args: unknown[]) => (asked.push(name), real(...args));
    };
    counted(buckets, 'allow', 'bucket');
    counted(buckets, 'peek', 'bucket');
    counted(objects, 'peek', 'object');
    for (const method of ['GET', 'HEAD']) {
      const url = presignByHand({
        key: await s3.config.credentials(),
        method,
        url: new URL(`${world.s3Url}/${Bucket}/found`),
      });
      asked.length = 0;
      expect({
        status: (await fetch(url, { method, headers: { Origin: 'https://app.example' } })).status,
        asked,
      }).toEqual({ status: 200, asked: ['bucket', 'object'] });
    }
    for (const service of [buckets, objects] as object[])
      for (const method of ['allow', 'peek']) Reflect.deleteProperty(service, method);
  });

  test('for what is not done here are refused, and never taken for something else', async () => {
    const signed = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: 'open' }), { expiresIn: 60 });
    expect(signed).toContain('X-Amz-Signature');
    for (const [method, path] of [
      ['PUT', '?inventory&id=x'],
      ['PUT', '?notification'],
      ['PUT', '?logging'],
      ['GET', '/open?torrent'],
      ['POST', '/open?select&select-type=2'],
      ['POST', '/open?restore'],
    ] as const) {
      const answer = await fetch(`${world.s3Url}/${Bucket}${path}`, { method });
      expect({ status: answer.status, code: codeOf(await answer.text()) }).toEqual({
        status: 501,
        code: 'NotImplemented',
      });
    }
    expect(codeOf(await (await fetch(`${world.s3Url}/${Bucket}/open`, { method: 'PATCH' })).text())).toBe(
      'MethodNotAllowed',
    );
    expect(
      await refusal(
        s3.send(new PutObjectCommand({ Bucket, Key: 'secret', Body: 'x', ServerSideEncryption: 'AES256' })),
      ),
    ).toBe('NotImplemented');
  });

  test('that make no sense are refused as XML, with their id', async () => {
    const bad = await fetch(`${world.s3Url}/%zz/x`);
    const text = await bad.text();
    expect({ status: bad.status, 'content-type': bad.headers.get('content-type'), code: codeOf(text) }).toEqual({
      status: 400,
      'content-type': 'application/xml',
      code: 'InvalidURI',
    });
    expect(text).toContain(`<RequestId>${bad.headers.get('x-amz-request-id')}</RequestId>`);
  });

  test('U23: that break off leave what was there, and nothing of their own', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'kept', Body: 'before' }));
    const url = new URL(await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: 'kept' }), { expiresIn: 60 }));
    const connection = await RawConnection.open(world.s3Url);
    connection.head('PUT', url.pathname + url.search, { Host: url.host, 'Content-Length': 1_000_000 });
    connection.send(randomBytes(600_000));
    const stages = (): Promise<string[]> => readdir(join(world.folder, 'uploads'));
    await eventually(async () => (await stages()).length === 1);
    connection.reset();
    await eventually(async () => (await stages()).length === 0);
    expect({ read: await read('kept'), 'get GET /upload': await world.get('GET', '/upload') }).toEqual({
      read: 'before',
      'get GET /upload': [],
    });
  });
});

test('U37: the log and the metrics know operations, and neither signatures nor secrets', async () => {
  const { secretAccessKey } = await s3.config.credentials();
  const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: 'kept' }), { expiresIn: 60 });
  const signature = new URL(url).searchParams.get('X-Amz-Signature')!;
  const bodies = [
    await (await fetch(url)).text(),
    await (await fetch(`${url}x`)).text(),
    await (await fetch(url.replace('X-Amz-Expires=60', 'X-Amz-Expires=nothing'))).text(),
    await (await fetch(`${url}&versionId=1`)).text(),
  ];
  expect(bodies.map(codeOf)).toEqual([
    undefined,
    'SignatureDoesNotMatch',
    'AuthorizationQueryParametersError',
    'SignatureDoesNotMatch',
  ]);
  const metrics = (await world.ask('GET', '/metrics')).bytes.toString();
  expect(metrics).toMatch(/stowage_requests_total\{method="PUT",route="S3 PutObject",status="200"\} \d+/);
  await eventually(
    () => lines.some((line) => line.includes('"route":"S3 PostObject"')) && lines.at(-1)!.includes('/metrics'),
  );
  for (const text of [...lines, ...bodies, metrics]) {
    expect(text).not.toContain('X-Amz-Signature');
    expect(text).not.toContain(secretAccessKey);
    expect(text).not.toContain('a-secret-of-the-root-key');
  }
  for (const text of [...lines, metrics]) expect(text).not.toContain(signature);
});
