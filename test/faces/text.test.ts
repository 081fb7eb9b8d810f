/** Every face refuses text that is malformed or that a database would change, in its own error format. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CopyObjectCommand,
  CreateBucketCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { SqliteConnection } from '../../src/engines/embedded/sqlite/connection.ts';
import { JsonFault, parseJson } from '../../src/kit/json.ts';
import { utf8 } from '../../src/kit/text.ts';
import { RawConnection } from '../support/raw.ts';
import { plain, refusal, s3Client } from '../support/s3.ts';
import { signByHand } from '../support/sigv4.ts';
import { openWorld, type World } from '../support/world.ts';

let world: World;
let s3: S3Client;

beforeAll(async () => {
  world = await openWorld({
    env: { STOWAGE_S3_PORT: '0', RELEASY_ADMIN_API_KEY: 'admin', RELEASY_API_KEY_PEPPER: 'pepper' },
  });
  s3 = await s3Client(world);
  await s3.send(new CreateBucketCommand({ Bucket: 'texts' }));
  await s3.send(new PutObjectCommand({ Bucket: 'texts', Key: 'secret.txt', Body: 'the secret' }));
  const anybody = {
    Effect: 'Allow',
    Principal: '*',
    Action: ['s3:GetObject', 's3:PutObject'],
    Resource: 'arn:aws:s3:::texts/*.jpg',
  };
  const refused = {
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:DeleteObject',
    Resource: 'arn:aws:s3:::texts/secret.txt',
  };
  await s3.send(
    new PutBucketPolicyCommand({
      Bucket: 'texts',
      Policy: JSON.stringify({ Version: '2012-10-17', Statement: [anybody, refused] }),
    }),
  );
  await world.push('kept', Buffer.from('kept'));
});

afterAll(async () => {
  s3.destroy();
  await world.close();
});

/** Sends a request line that no client library would write. */
async function raw(
  url: string,
  method: string,
  path: string,
  headers: Record<string, string | number> = {},
  body = '',
): Promise<{ status: number; body: string; type: string }> {
  const line = await RawConnection.open(url);
  line
    .head(method, path, { ...headers, ...(body === '' ? {} : { 'Content-Length': Buffer.byteLength(body) }) })
    .send(body);
  const { status, body: text, headers: got } = await line.answer(method);
  line.close();
  return { status, body: text, type: got['content-type'] ?? '' };
}

describe('S3', () => {
  test.each([
    ['GET', '/texts/secret.txt%00.jpg'],
    ['PUT', '/texts/secret.txt%00.jpg'],
    ['HEAD', '/texts/secret.txt%00.jpg'],
    ['DELETE', '/texts/secret.txt%00'],
    ['GET', '/texts%00x/secret.txt'],
    ['GET', '/texts?prefix=secret%00'],
    ['GET', '/texts?list-type=2&start-after=a%00'],
    ['GET', '/texts/secret.txt?versionId=a%00'],
    ['GET', '/texts/%ff.jpg'],
    ['GET', '/texts/%ed%a0%80.jpg'],
    ['GET', '/texts/%c0%80.jpg'],
    ['GET', '/texts/%zz.jpg'],
  ])('%s %s without a signature is refused', async (method, path) => {
    const answer = await plain(`${world.s3Url}${path}`, { method, ...(method === 'PUT' ? { body: 'changed' } : {}) });
    expect(answer.status).toBe(400);
    if (method !== 'HEAD') expect(answer.code).toBe('InvalidURI');
  });

  test('a signed request is refused as well, and the object stays what it was', async () => {
    const url = await getSignedUrl(s3, new PutObjectCommand({ Bucket: 'texts', Key: 'secret.txt\u0000' }));
    expect(await plain(url, { method: 'PUT', body: 'changed' })).toMatchObject({ status: 400, code: 'InvalidURI' });
    const { Contents: found = [] } = await s3.send(new ListObjectsV2Command({ Bucket: 'texts' }));
    expect(found.map(({ Key, Size }) => [Key, Size])).toEqual([['secret.txt', 10]]);
  });

  test('a copy source, a tag and a form field with U+0000 are refused', async () => {
    const copy = new CopyObjectCommand({ Bucket: 'texts', Key: 'new', CopySource: 'texts/secret.txt%00.jpg' });
    expect(await refusal(s3.send(copy))).toBe('InvalidArgument');
    const tagged = new PutObjectCommand({ Bucket: 'texts', Key: 'new', Body: 'x', Tagging: 'a=b%00c' });
    expect(await refusal(s3.send(tagged))).toBe('InvalidArgument');
    const form = new FormData();
    form.set('key', 'secret.txt\u0000.jpg');
    form.set('file', new Blob(['changed']), 'f');
    expect(await plain(`${world.s3Url}/texts`, { method: 'POST', body: form })).toMatchObject({
      status: 400,
      code: 'InvalidArgument',
    });
  });

  test('a document that is not UTF-8, or has U+0000, is refused', async () => {
    for (const key of [Buffer.from([0xff]), Buffer.from('\u0000'), Buffer.from('&#0;')]) {
      const body = Buffer.concat([
        Buffer.from('<Delete><Object><Key>secret.txt'),
        key,
        Buffer.from('</Key></Object></Delete>'),
      ]);
      expect(await plain(`${world.s3Url}/texts?delete`, { method: 'POST', body })).toMatchObject({
        status: 400,
        code: 'MalformedXML',
      });
    }
  });

  test('a key may have other control characters, as S3 allows, and is listed and fetched by them', async () => {
    await s3.send(new PutObjectCommand({ Bucket: 'texts', Key: 'line\nfeed', Body: 'x' }));
    const { Contents: found = [] } = await s3.send(
      new ListObjectsV2Command({ Bucket: 'texts', Prefix: 'line\n', EncodingType: 'url' }),
    );
    expect(found.map(({ Key }) => Key)).toEqual(['line%0Afeed']);
  });
});

describe('every other face', () => {
  /** Paths that each face has, with the type of its refusals. */
  const places: readonly (readonly [face: string, method: string, path: string, type: string])[] = [
    ['Shaken Fist', 'GET', '/artifacts/kept{}', 'application/json'],
    ['Shaken Fist', 'DELETE', '/artifacts/kept{}', 'application/json'],
    ['Shaken Fist', 'GET', '/artifacts?name=kept{}', 'application/json'],
    ['Shaken Fist', 'POST', '/label/kept{}', 'application/json'],
    ['Shaken Fist', 'PUT', '/artifacts/kept/metadata/k{}', 'application/json'],
    ['Shaken Fist', 'GET', '/auth/namespaces/system{}', 'application/json'],
    ['the draft', 'PUT', '/artifacts/kept{}/data', ''],
    ['tus', 'POST', '/tus?capability=a{}', 'text/plain'],
    ['tus', 'HEAD', '/tus/a{}', ''],
    ['the console', 'GET', '/api/storage/buckets/texts{}', 'application/json'],
    ['Releasy', 'GET', '/v1/releases?product=p{}', 'application/json'],
    ['Releasy', 'GET', '/v1/downloads/releasy_dl_x{}', 'application/json'],
    ['pages', 'GET', '/docs?x={}', 'text/html'],
    ['pages of the documentation', 'GET', '/docs/guarantees?x={}', 'text/html'],
  ];
  const broken = ['%00', '%00.jpg', '%0a', '%7f', '%c2%80', '%ff', '%ed%a0%80', '%c0%af', '%zz'];

  test.each(places)('%s: %s %s', async (_face, method, path, type) => {
    const headers = {
      Authorization: `Bearer ${await world.token()}`,
      'Tus-Resumable': '1.0.0',
      'Content-Type': 'application/json',
    };
    const before = await world.get<unknown[]>('GET', '/artifacts');
    for (const piece of broken) {
      const answer = await raw(
        world.url,
        method,
        path.replace('{}', piece),
        headers,
        method === 'GET' || method === 'HEAD' || method === 'DELETE' ? '' : '{"value":"v"}',
      );
      expect({ piece, status: answer.status, 'type startsWith type': answer.type.startsWith(type) }).toEqual({
        piece,
        status: 400,
        'type startsWith type': true,
      });
    }
    expect(await world.get<unknown[]>('GET', '/artifacts')).toEqual(before);
  });

  test('JSON bodies: names and values, however deep', async () => {
    await world.ask('POST', '/api/storage/buckets', { json: { name: 'for-json' } });
    const customer = async (json: unknown): Promise<number> => {
      return (
        await world.ask('POST', '/v1/admin/customers', { as: null, json, headers: { 'X-Releasy-Admin-Key': 'admin' } })
      ).status;
    };
    for (const bad of ['a\u0000b', 'a\nb', 'a\u007fb', 'a\u0085b', '\ud800', 'a\udc00b']) {
      expect((await world.ask('POST', '/auth/namespaces', { json: { namespace: bad } })).status).toBe(400);
      expect((await world.ask('POST', '/auth', { as: null, json: { namespace: 'system', key: bad } })).status).toBe(
        400,
      );
      expect((await world.ask('POST', '/artifacts/kept/metadata', { json: { key: bad, value: 'v' } })).status).toBe(
        400,
      );
      expect((await world.ask('POST', '/artifacts', { json: { url: `http://127.0.0.1/${bad}` } })).status).toBe(400);
      expect((await world.ask('POST', '/capabilities', { json: { artifact: bad } })).status).toBe(400);
      expect(
        (await world.ask('POST', '/api/storage/keys', { json: { name: bad, permissions: { read: true } } })).status,
      ).toBe(400);
      expect(
        (await world.ask('POST', '/api/storage/buckets/for-json/presign', { json: { key: bad, operation: 'put' } }))
          .status,
      ).toBe(400);
      expect(await customer({ name: bad })).toBe(400);
    }
    for (const bad of ['a\u0000b', '\ud800']) {
      expect((await world.ask('POST', '/artifacts/kept/metadata', { json: { key: 'k', value: bad } })).status).toBe(
        400,
      );
    }
    expect(
      (await world.ask('POST', '/artifacts/kept/metadata', { json: { key: 'k', value: 'two\nlines' } })).status,
    ).toBe(200);
    const made = await world.ask('POST', '/v1/admin/customers', {
      as: null,
      json: { name: 'c' },
      headers: { 'X-Releasy-Admin-Key': 'admin' },
    });
    const entitle = async (metadata: unknown): Promise<number> => {
      const path = `/v1/admin/customers/${made.json<{ id: string }>().id}/entitlements`;
      const json = { product: 'p', starts_at: 1, metadata };
      return (await world.ask('POST', path, { as: null, json, headers: { 'X-Releasy-Admin-Key': 'admin' } })).status;
    };
    expect(await entitle({ a: [{ b: 'x\u0000' }] })).toBe(400);
    expect(await entitle({ a: [{ 'b\u0000': 1 }] })).toBe(400);
    expect(await entitle({ a: [{ b: '\ud800' }] })).toBe(400);
    expect(await entitle({ a: [{ b: 'fine' }] })).toBe(200);
  });

  test('tus metadata that is not text is refused', async () => {
    const create = async (value: Buffer, key = 'filename'): Promise<number> => {
      const headers = {
        'Tus-Resumable': '1.0.0',
        'Upload-Length': '1',
        'Upload-Metadata': `${key} ${value.toString('base64')}`,
      };
      return (await world.ask('POST', '/tus', { headers })).status;
    };
    for (const bad of [
      Buffer.from('a\u0000b'),
      Buffer.from('a\nb'),
      Buffer.from([0x61, 0xff]),
      Buffer.from([0xed, 0xa0, 0x80]),
    ]) {
      expect(await create(bad)).toBe(400);
    }
    expect(await create(Buffer.from('a\u0000b'), 'note')).toBe(400);
    expect(await create(Buffer.from('two\nlines'), 'note')).toBe(201);
  });

  test('the form of the front page', async () => {
    const push = async (name: string | undefined, file: string): Promise<number> => {
      const form = new FormData();
      form.set('namespace', 'system');
      form.set('key', world.key);
      if (name !== undefined) form.set('name', name);
      form.set('file', new Blob(['x']), file);
      return (await world.ask('POST', '/form', { as: null, body: form })).status;
    };
    expect(await push('a\u0000b', 'f')).toBe(400);
    expect(await push('a\ufffdb', 'f')).toBe(400);
    expect(await push(undefined, 'a\u0001b')).toBe(400);
    expect(await push('fine', 'f')).toBe(200);
  });

  test('a name and a password by Basic', async () => {
    const basic = Buffer.from('a\u0000b:c').toString('base64');
    const answer = await world.ask('GET', '/api/storage/buckets', {
      as: null,
      headers: { Authorization: `Basic ${basic}` },
    });
    expect([400, 401]).toContain(answer.status);
  });
});

test('SQLite is given no text that it would cut or change', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'stowage-text-'));
  const connection = new SqliteConnection(join(folder, 'catalog.sqlite'), false);
  const ask = (value: unknown): Promise<unknown> =>
    connection.executeQuery({
      sql: 'select ? as it',
      parameters: [value],
      query: undefined as never,
      queryId: undefined as never,
    });
  for (const bad of ['a\u0000b', '\ud800', '\udc00a'])
    await expect(ask(bad)).rejects.toMatchObject({ reason: 'bad_text' });
  expect(await ask('a\ufffd\u{1f600}')).toMatchObject({ rows: [{ it: 'a\ufffd\u{1f600}' }] });
  connection.close();
  await rm(folder, { recursive: true });
});

test('bytes become the text that they are, a byte order mark included, or none', () => {
  for (const text of ['', 'a', '\ufeff', '\ufeffa', 'a\ufeff', '\u{1f600}']) expect(utf8(Buffer.from(text))).toBe(text);
  for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xef, 0xbb], [0xf4, 0x90, 0x80, 0x80]])
    expect(utf8(Buffer.from(bytes))).toBeUndefined();
});

describe('a byte order mark', () => {
  test('stays part of a name in tus metadata', async () => {
    const artifact = (name: string): string => Buffer.from(name).toString('base64');
    const headers = {
      'Tus-Resumable': '1.0.0',
      'Upload-Length': '1',
      'Upload-Metadata': `artifact ${artifact('\ufeffmark')}`,
      'Content-Type': 'application/offset+octet-stream',
    };
    expect((await world.ask('POST', '/tus', { headers, body: 'x' })).status).toBe(201);
    expect((await world.get<{ name: string }[]>('GET', '/artifacts')).map(({ name }) => name)).toContain('\ufeffmark');
    expect((await world.ask('GET', '/artifacts/mark')).status).toBe(404);
  });

  test('before a JSON body is refused', async () => {
    for (const body of ['\ufeff', '\ufeff{}', '\u00a0'])
      expect((await world.ask('POST', '/auth', { as: null, body })).json()).toMatchObject({
        status: 400,
        error: 'the request body is not JSON',
      });
  });

  test('before an XML document is taken, as XML 1.0 says', async () => {
    const body = '\ufeff<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>';
    const url = new URL(`${world.s3Url}/texts?versioning`);
    const headers = signByHand({ key: await world.accessKey(), method: 'PUT', url }, {}, body);
    expect((await plain(url.href, { method: 'PUT', body, headers })).status).toBe(200);
  });
});

describe('JSON', () => {
  test.each([
    ['a name twice', '{"a":1,"a":2}'],
    ['a name twice, once escaped', '{"a":1,"\\u0061":2}'],
    ['a name twice, deep', '[{"x":{"a":1,"b":[],"a":2}}]'],
    ['a prototype', '{"__proto__":{}}'],
    ['a prototype, escaped', '{"\\u005f_proto__":1}'],
    ['33 levels', '['.repeat(33) + ']'.repeat(33)],
    ['a number beyond a double', '1e400'],
    ['a whole number beyond 2^53', '9007199254740993'],
    ['a large whole number', '[1e300]'],
    ['a comment', '{}//'],
    ['two documents', '{}{}'],
    ['a trailing comma', '[1,]'],
    ['nothing', ''],
    ['NaN', 'NaN'],
    ['a byte order mark', '\ufeff{}'],
    ['U+0000', '"\\u0000"'],
    ['half a pair', '"\\ud800"'],
    ['a raw control character', '"\u0001"'],
    ['a line feed in a name', '{"a\\n":1}'],
  ])('%s is refused', (_, text) => {
    expect(() => parseJson(text)).toThrow(JsonFault);
  });

  test.each([
    '{"a":1,"b":{"a":1}}',
    '[{"a":1},{"a":2}]',
    '{"a":"a","b":"a"}',
    '["a","a"]',
    '9007199254740991',
    '-0.5e-7',
    '"\\ud83d\\ude00"',
    '"a\\nb"',
    ' null ',
  ])('%s is taken', (text) => {
    expect(parseJson(text)).toEqual(JSON.parse(text));
  });

  test('brackets and escapes by the million are read, and cost no stack', () => {
    expect(() => parseJson('['.repeat(5_000_000))).toThrow(JsonFault);
    expect(parseJson(`"${'\\"'.repeat(2_000_000)}"`)).toHaveLength(2_000_000);
  });
});
