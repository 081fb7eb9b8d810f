/** Object metadata in response headers, however it was set, and response headers set by the reader. */
import { createHmac } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  PutBucketCorsCommand,
  PutObjectCommand,
  UploadPartCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { plain, refusal, s3Client, type Plain } from '../support/s3.ts';
import { presignByHand, signHeaders } from '../support/sigv4.ts';
import { RawConnection } from '../support/raw.ts';
import { openWorld, type World } from '../support/world.ts';

const Bucket = 'headers';
const secret = 'a-secret-of-the-root-key';
let world: World;
let s3: S3Client;
beforeAll(async () => {
  world = await openWorld({ env: { STOWAGE_S3_ACCESS_KEY_ID: 'AKIDROOT', STOWAGE_S3_SECRET_ACCESS_KEY: secret } });
  s3 = await s3Client(world);
  await s3.send(new CreateBucketCommand({ Bucket }));
});
afterAll(() => world.close());

type Fields = Readonly<Record<string, string>>;

/** A header's bytes as the text that they are in UTF-8. */
const utf8 = (value: string | null | undefined): string | undefined =>
  value ? Buffer.from(value, 'latin1').toString('utf8') : undefined;
const bytes = (text: string): string => Buffer.from(text).toString('latin1');
const urlOf = (key: string, query: Fields = {}): URL => {
  const url = new URL(`${world.s3Url}/${Bucket}/${key}`);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
};

async function ask(
  method: string,
  key: string,
  headers: Fields = {},
  query: Fields = {},
  body?: string,
): Promise<Plain> {
  const url = urlOf(key, query);
  return plain(url, {
    method,
    headers: signHeaders({ key: await s3.config.credentials(), method, url }, headers),
    ...(body === undefined ? {} : { body }),
  });
}

async function byUrl(method: string, key: string, query: Fields, body?: string): Promise<Plain> {
  return plain(presignByHand({ key: await s3.config.credentials(), method, url: urlOf(key, query) }), {
    method,
    ...(body === undefined ? {} : { body }),
  });
}

async function byForm(key: string, fields: Fields): Promise<Plain> {
  const conditions = [
    { bucket: Bucket },
    ...[...Object.keys(fields), 'key'].map((name) => ['starts-with', `$${name}`, '']),
  ];
  const policy = Buffer.from(
    JSON.stringify({ expiration: new Date(world.clock.now() + 60_000).toISOString(), conditions }),
  ).toString('base64');
  const all = {
    ...fields,
    key,
    AWSAccessKeyId: 'AKIDROOT',
    policy,
    signature: createHmac('sha1', secret).update(policy).digest('base64'),
  };
  const parts = Object.entries({ ...all, file: 'x' }).map(
    ([name, value]) => `--xx\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  return plain(`${world.s3Url}/${Bucket}`, {
    method: 'POST',
    body: `${parts.join('')}--xx--\r\n`,
    headers: { 'Content-Type': 'multipart/form-data; boundary=xx' },
  });
}

/** What a GET and a HEAD say. */
async function told(key: string, name: string): Promise<Record<'GET' | 'HEAD', string | undefined>> {
  const by = async (method: string): Promise<string | undefined> => {
    const answer = await ask(method, key);
    return answer.status === 200 ? utf8(answer.headers.get(name)) : `status ${answer.status}`;
  };
  return { GET: await by('GET'), HEAD: await by('HEAD') };
}

describe('A19: metadata', () => {
  const text = 'größe 日本 🚢';

  test('beyond ASCII is the same by a header, a form, a URL, a copy and a multipart upload', async () => {
    expect((await ask('PUT', 'by-header', { 'x-amz-meta-a': bytes(text) }, {}, 'x')).status).toBe(200);
    expect((await byForm('by-form', { 'x-amz-meta-a': text })).status).toBe(204);
    expect((await byUrl('PUT', 'by-url', { 'x-amz-meta-a': text }, 'x')).status).toBe(200);
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'by-copy', CopySource: `${Bucket}/by-form` }));
    const begun = await byUrl('POST', 'by-parts', { uploads: '', 'x-amz-meta-a': text });
    const UploadId = /<UploadId>([^<]+)/.exec(begun.text)![1];
    const { ETag } = await s3.send(
      new UploadPartCommand({ Bucket, Key: 'by-parts', UploadId, PartNumber: 1, Body: 'x' }),
    );
    await s3.send(
      new CompleteMultipartUploadCommand({
        Bucket,
        Key: 'by-parts',
        UploadId,
        MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
      }),
    );
    for (const key of ['by-header', 'by-form', 'by-url', 'by-copy', 'by-parts'])
      expect({ key, told: await told(key, 'x-amz-meta-a') }).toEqual({ key, told: { GET: text, HEAD: text } });
  });

  test.each(['a\r\nSet-Cookie: b', 'a\nb', '\u0001', '\u007f', '\u0085'])(
    'with the control character in %j is refused',
    async (value) => {
      for (const name of [
        'x-amz-meta-a',
        'Content-Type',
        'Content-Disposition',
        'Cache-Control',
        'Content-Language',
        'Content-Encoding',
        'Expires',
      ]) {
        expect({ name, status: (await byForm('controlled', { [name]: value })).status }).toEqual({ name, status: 400 });
      }
      expect((await byUrl('PUT', 'controlled', { 'x-amz-meta-a': value }, 'x')).status).toBe(400);
      expect((await byUrl('POST', 'controlled', { uploads: '', 'x-amz-meta-a': value })).status).toBe(400);
      expect((await ask('HEAD', 'controlled')).status).toBe(404);
    },
  );

  test.each(['x-amz-meta-', 'x-amz-meta-a b', 'x-amz-meta-ü', 'x-amz-meta-a:b', 'x-amz-meta-"'])(
    'with the name %j is refused',
    async (name) => {
      if (!name.includes('"')) expect((await byForm('named', { [name]: 'x' })).status).toBe(400);
      expect((await byUrl('PUT', 'named', { [name]: 'x' }, 'x')).status).toBe(400);
      expect((await ask('HEAD', 'named')).status).toBe(404);
    },
  );

  test('of more than two kilobytes is refused, counted in bytes, by every way', async () => {
    const [most, more] = ['ü'.repeat(1023), 'ü'.repeat(1024)];
    expect((await ask('PUT', 'sized', { 'x-amz-meta-aa': bytes(most) }, {}, 'x')).status).toBe(200);
    expect((await byForm('sized', { 'x-amz-meta-aa': most })).status).toBe(204);
    expect((await ask('PUT', 'sized', { 'x-amz-meta-aa': bytes(more) }, {}, 'x')).code).toBe('MetadataTooLarge');
    expect((await byForm('sized', { 'x-amz-meta-aa': more })).code).toBe('MetadataTooLarge');
    expect((await byUrl('PUT', 'sized', { 'x-amz-meta-aa': more }, 'x')).code).toBe('MetadataTooLarge');
    expect((await byForm('sized', { 'Content-Type': 'x'.repeat(9000) })).code).toBe('RequestHeaderSectionTooLarge');
  });

  test('that an older version stored is served, also where no header can hold it', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'old', Body: 'x' }));
    const object = (await world.core.objects.peek(Bucket, 'old'))!;
    const allowed = await world.core.buckets.allow({ namespace: 'system', credential: 'test' }, Bucket, 'write');
    const about = {
      type: 'text/\u65e5',
      headers: { 'content-disposition': 'a\r\nb' },
      meta: { good: '\u65e5', 'bad name': 'x', lines: 'a\r\nb' },
    };
    for (const [member, value] of Object.entries(about)) {
      await world.core.objects.describe(allowed, object, member, JSON.stringify(value));
    }
    expect({
      'x-amz-meta-good': await told('old', 'x-amz-meta-good'),
      'x-amz-meta-lines': await told('old', 'x-amz-meta-lines'),
      'x-amz-missing-meta': await told('old', 'x-amz-missing-meta'),
    }).toEqual({
      'x-amz-meta-good': { GET: '日', HEAD: '日' },
      'x-amz-meta-lines': { GET: 'a  b', HEAD: 'a  b' },
      'x-amz-missing-meta': { GET: '1', HEAD: '1' },
    });
  });
});

describe('A19: headers that a reader asks for', () => {
  test('response headers that a reader asks for may be beyond ASCII', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'shown', Body: 'x' }));
    const answer = await byUrl('GET', 'shown', { 'response-content-disposition': 'attachment; filename="日本.txt"' });
    expect({ status: answer.status, utf8: utf8(answer.headers.get('content-disposition')) }).toEqual({
      status: 200,
      utf8: 'attachment; filename="日本.txt"',
    });
  });

  test.each([
    'cache-control',
    'content-disposition',
    'content-encoding',
    'content-language',
    'content-type',
    'expires',
  ])('response-%s has no control characters', async (name) => {
    expect(await byUrl('GET', 'shown', { [`response-${name}`]: 'a\r\nb: c' })).toMatchObject({
      status: 400,
      code: 'InvalidArgument',
    });
  });

  test('a page may be shown only what can be named', async () => {
    const rule = (name: string): object => ({
      Bucket,
      CORSConfiguration: { CORSRules: [{ AllowedOrigins: ['*'], AllowedMethods: ['GET'], ExposeHeaders: [name] }] },
    });
    expect(await refusal(s3.send(new PutBucketCorsCommand(rule('größe') as never)))).toBe('InvalidRequest');
    const json = { rules: [{ allowed_origins: ['*'], allowed_methods: ['GET'], expose_headers: ['größe'] }] };
    expect((await world.ask('PATCH', `/api/storage/buckets/${Bucket}/cors`, { json })).status).toBe(422);
  });
});

describe('B2: tags without quotes', () => {
  test.each([
    ['If-Match', 200, 412],
    ['If-None-Match', 304, 200],
  ] as const)('%s', async (name, same, other) => {
    const { ETag } = await s3.send(new PutObjectCommand({ Bucket, Key: 'tagged', Body: 'tagged' }));
    const bare = ETag!.replaceAll('"', '');
    for (const method of ['GET', 'HEAD']) {
      for (const value of [bare, ETag!, `x, ${bare}`, `"x",${bare}`, '*'])
        expect({ value, status: (await ask(method, 'tagged', { [name]: value })).status }).toEqual({
          value,
          status: same,
        });
      for (const value of ['x', '"x"', bare.slice(1)])
        expect({ value, status: (await ask(method, 'tagged', { [name]: value })).status }).toEqual({
          value,
          status: other,
        });
    }
  });

  test('If-Range, whose date stays a date', async () => {
    const { ETag } = await s3.send(new PutObjectCommand({ Bucket, Key: 'tagged', Body: 'tagged' }));
    const modified = (await ask('HEAD', 'tagged')).headers.get('last-modified')!;
    for (const [value, status] of [
      [ETag!, 206],
      [ETag!.replaceAll('"', ''), 206],
      ['x', 200],
      [modified, 206],
      [new Date(0).toUTCString(), 200],
    ] as const) {
      expect({ value, status: (await ask('GET', 'tagged', { 'If-Range': value, Range: 'bytes=1-2' })).status }).toEqual(
        { value, status },
      );
    }
  });

  test("of a copy's source, and of what is overwritten", async () => {
    const { ETag } = await s3.send(new PutObjectCommand({ Bucket, Key: 'tagged', Body: 'tagged' }));
    const bare = ETag!.replaceAll('"', '');
    const source = { 'x-amz-copy-source': `${Bucket}/tagged` };
    expect((await ask('PUT', 'copy', { ...source, 'x-amz-copy-source-if-match': bare })).status).toBe(200);
    expect((await ask('PUT', 'copy', { ...source, 'x-amz-copy-source-if-none-match': bare })).status).toBe(412);
    expect((await ask('PUT', 'copy', { ...source, 'x-amz-copy-source-if-modified-since': 'yesterday' })).status).toBe(
      400,
    );
    expect((await ask('PUT', 'tagged', { 'If-None-Match': bare }, {}, 'y')).status).toBe(412);
    expect((await ask('PUT', 'tagged', { 'If-Match': bare }, {}, 'y')).status).toBe(200);
  });
});

describe('B3, B4: parts of an object', () => {
  test('the last bytes of nothing are nothing', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'empty', Body: Buffer.alloc(0) }));
    const answer = await ask('GET', 'empty', { Range: 'bytes=-512' });
    expect({
      status: answer.status,
      text: answer.text,
      'content-length': answer.headers.get('content-length'),
    }).toEqual({ status: 200, text: '', 'content-length': '0' });
    expect((await ask('GET', 'empty', { Range: 'bytes=0-' })).status).toBe(416);
    expect((await ask('GET', 'empty', {}, { partNumber: '1' })).status).toBe(200);
  });

  test('what was put whole is its own first part', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'whole', Body: 'whole', ChecksumAlgorithm: 'SHA256' }));
    for (const method of ['GET', 'HEAD']) {
      const answer = await ask(method, 'whole', { 'x-amz-checksum-mode': 'ENABLED' }, { partNumber: '1' });
      expect({
        status: answer.status,
        'content-range': answer.headers.get('content-range'),
        'content-length': answer.headers.get('content-length'),
        'x-amz-mp-parts-count': answer.headers.get('x-amz-mp-parts-count'),
      }).toEqual({ status: 206, 'content-range': 'bytes 0-4/5', 'content-length': '5', 'x-amz-mp-parts-count': null });
      expect(answer.headers.get('x-amz-checksum-sha256')).not.toBeNull();
      expect((await ask(method, 'whole', { Range: 'bytes=0-1' }, { partNumber: '1' })).status).toBe(400);
      expect((await ask(method, 'whole', {}, { partNumber: '2' })).status).toBeGreaterThanOrEqual(400);
      expect((await ask(method, 'whole', {}, { partNumber: '0' })).status).toBe(400);
    }
  });

  test('an empty part of a multipart upload is an empty answer', async () => {
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'empty-part' }));
    const { ETag } = await s3.send(
      new UploadPartCommand({ Bucket, Key: 'empty-part', UploadId, PartNumber: 1, Body: '' }),
    );
    await s3.send(
      new CompleteMultipartUploadCommand({
        Bucket,
        Key: 'empty-part',
        UploadId,
        MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
      }),
    );
    const answer = await ask('GET', 'empty-part', {}, { partNumber: '1' });
    expect({
      status: answer.status,
      text: answer.text,
      'x-amz-mp-parts-count': answer.headers.get('x-amz-mp-parts-count'),
    }).toEqual({ status: 200, text: '', 'x-amz-mp-parts-count': '1' });
  });
});

describe('A20, A24: what other faces are sent to protect bytes', () => {
  const md5 = 'nUd5qVdfDnAvJ6vvMV0J3A==';

  test.each([
    ['Content-Digest', 'sha-256=:A:'],
    ['Content-Digest', 'sha-256=:AA=:'],
    ['Content-Digest', 'sha-3=:AAAA:'],
    ['Content-Digest', 'sha-512'],
    ['Content-Digest', 'sha-256=:AAAA:'],
    ['Content-MD5', 'A'],
    ['Content-MD5', md5],
    ['Content-MD5', '????'],
  ])('%s: %s is refused wherever bytes or JSON are taken', async (name, value) => {
    const headers = { [name]: value };
    const { uuid } = await world.get<{ uuid: string }>('POST', '/upload');
    expect((await world.ask('POST', `/upload/${uuid}`, { body: 'x', headers })).status).toBe(400);
    expect((await world.ask('PUT', '/artifacts/protected/data', { body: 'x', headers })).status).toBe(400);
    const tus = { 'Tus-Resumable': '1.0.0', 'Content-Type': 'application/offset+octet-stream', 'Upload-Length': '1' };
    expect([400, 460]).toContain(
      (await world.ask('POST', '/tus', { body: 'x', headers: { ...tus, ...headers } })).status,
    );
    expect(
      (await world.ask('POST', '/auth', { as: null, json: { namespace: 'system', key: world.key }, headers })).status,
    ).toBe(400);
    expect(await world.get<{ size?: number }>('GET', `/upload/${uuid}`)).toMatchObject({ uuid });
    expect((await world.ask('GET', '/artifacts/protected')).status).toBe(404);
  });

  test('a checksum of bytes that do not come is refused', async () => {
    const headers = {
      'Tus-Resumable': '1.0.0',
      'Upload-Length': '1',
      'Upload-Checksum': 'sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=',
    };
    expect((await world.ask('POST', '/tus', { headers })).status).toBe(400);
  });

  test('a new upload cannot be promised what cannot be kept', async () => {
    const digest = 'sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:';
    expect((await world.ask('POST', '/upload', { headers: { 'Repr-Digest': digest } })).status).toBe(400);
  });

  test('a digest behind the body is held against it', async () => {
    for (const [digest, status] of [
      ['sha-256=:LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=:', 200],
      ['sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:', 400],
    ] as const) {
      const { uuid } = await world.get<{ uuid: string }>('POST', '/upload');
      const connection = await RawConnection.open(world.url);
      connection.head('POST', `/upload/${uuid}`, {
        Authorization: `Bearer ${await world.token()}`,
        'Transfer-Encoding': 'chunked',
        Trailer: 'Content-Digest',
      });
      connection.send(`1\r\nx\r\n0\r\nContent-Digest: ${digest}\r\n\r\n`);
      expect((await connection.answer()).status).toBe(status);
      connection.close();
    }
  });

  test.each(['?2', '1', 'true', '?1, ?1', '?0x'])(
    'Upload-Complete: %s is refused, and never taken for the whole',
    async (value) => {
      expect(
        (await world.ask('PUT', '/artifacts/structured/data', { body: 'x', headers: { 'Upload-Complete': value } }))
          .status,
      ).toBe(400);
      expect((await world.ask('GET', '/artifacts/structured')).status).toBe(404);
    },
  );
});
