/** Uploom's requirements of S3 and presigned URLs: checks U1 to U38. The others are tested with their subjects. */
import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
  type CompletedPart,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { RawConnection } from '../support/raw.ts';
import { plain, refusal, s3Client } from '../support/s3.ts';
import { presignByHand, signedChunks } from '../support/sigv4.ts';
import { openWorld, type World } from '../support/world.ts';

const MiB = 1024 * 1024;
const day = 86_400_000;
const Bucket = 'uploads';
const md5 = (bytes: Uint8Array | string): string => createHash('md5').update(bytes).digest('hex');

let world: World;
let s3: S3Client;
beforeAll(async () => {
  world = await openWorld();
  s3 = await s3Client(world);
  await s3.send(new CreateBucketCommand({ Bucket }));
});
afterAll(() => world.close());

const getUrl = (Key: string, more: Partial<Parameters<typeof getSignedUrl>[2]> = {}, client = s3): Promise<string> =>
  getSignedUrl(client, new GetObjectCommand({ Bucket, Key }), { expiresIn: 300, ...more });
const putUrl = (Key: string, more: Partial<Parameters<typeof getSignedUrl>[2]> = {}, client = s3): Promise<string> =>
  getSignedUrl(client, new PutObjectCommand({ Bucket, Key }), { expiresIn: 300, ...more });
const store = (Key: string, Body = 'stored'): Promise<unknown> => s3.send(new PutObjectCommand({ Bucket, Key, Body }));
const read = async (Key: string): Promise<string> =>
  (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body!.transformToString();
const isThere = async (Key: string): Promise<boolean> =>
  (await refusal(s3.send(new HeadObjectCommand({ Bucket, Key })))) === undefined;

/** The URL with one parameter of its query set anew. */
function changed(url: string, name: string, value: (before: string) => string): URL {
  const other = new URL(url);
  other.searchParams.set(name, value(other.searchParams.get(name)!));
  return other;
}

/** Does something while the server's clock stands elsewhere. */
async function at<T>(shift: number, work: () => Promise<T>): Promise<T> {
  world.clock.move(shift);
  try {
    return await work();
  } finally {
    world.clock.move(-shift);
  }
}

test('U1: the snippet of the page, as it stands', async () => {
  const file = randomBytes(MiB);
  const filename = 'film.mov';
  const client = new S3Client({
    region: 'us-east-1',
    endpoint: world.s3Url,
    forcePathStyle: true,
    credentials: await world.accessKey(),
  });
  const url = await getSignedUrl(client, new PutObjectCommand({ Bucket, Key: 'uploads/' + filename }), {
    expiresIn: 300,
  });
  const put = await fetch(url, { method: 'PUT', body: file });
  expect({ status: put.status, etag: put.headers.get('etag') }).toEqual({ status: 200, etag: `"${md5(file)}"` });
  const got = await fetch(
    await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: 'uploads/' + filename }), { expiresIn: 300 }),
  );
  expect(Buffer.from(await got.arrayBuffer()).equals(file)).toBe(true);
});

test('U3: one key signs headers and URLs', async () => {
  await store('by-header', 'one');
  expect((await plain(await getUrl('by-header'))).text).toBe('one');
  expect((await plain(await putUrl('by-url'), { method: 'PUT', body: 'two' })).status).toBe(200);
  expect(await read('by-url')).toBe('two');
});

test('U4: any key is a plain key, in headers and in URLs', async () => {
  const keys = [
    'a//b',
    'with space+plus',
    '100%',
    '%41',
    'ünïcödé/☃/💾',
    'trailing/',
    '.dots/..hidden',
    "~!*'()",
    'q?x=1&y#z',
    'new\nline',
  ];
  for (const [turn, form] of ['header', 'query'].entries()) {
    for (const Key of keys) {
      if (form === 'header') await store(Key, `${turn} ${Key}`);
      else expect((await plain(await putUrl(Key), { method: 'PUT', body: `${turn} ${Key}` })).status).toBe(200);
      expect({ read: await read(Key), text: (await plain(await getUrl(Key))).text }).toEqual({
        read: `${turn} ${Key}`,
        text: `${turn} ${Key}`,
      });
    }
  }
  const listed = (await s3.send(new ListObjectsV2Command({ Bucket }))).Contents!.map(({ Key }) => Key);
  expect(keys.filter((key) => !listed.includes(key))).toEqual([]);
});

test('U5: one changed byte anywhere is a wrong signature', async () => {
  const flip = (text: string): string => text.replace(/.$/, (last) => (last === '1' ? '2' : '1'));
  const url = await getSignedUrl(
    s3,
    new GetObjectCommand({ Bucket, Key: 'by-header', ResponseContentType: 'text/plain' }),
    { expiresIn: 300 },
  );
  const other = (path: string): string => url.replace(`/${Bucket}/by-header`, path);
  const changes = [
    ...['X-Amz-Signature', 'X-Amz-Expires', 'x-id', 'response-content-type'].map((name) => changed(url, name, flip)),
    changed(url, 'X-Amz-Date', (date) => date.replace(/\d(?=Z$)/, (second) => (second === '0' ? '1' : '0'))),
    changed(url, 'X-Amz-Credential', (credential) => credential.replace('us-east-1', 'us-east-2')),
    other(`/${Bucket}/by-heade2`),
    other(`/${flip(Bucket)}/by-header`),
  ];
  for (const one of changes) expect(await plain(one)).toMatchObject({ status: 403, code: 'SignatureDoesNotMatch' });
  expect((await plain(url)).status).toBe(200);
});

test('U6: a URL is for one method and one key', async () => {
  await store('a');
  for (const [url, method] of [
    [await getUrl('a'), 'PUT'],
    [await getUrl('a'), 'DELETE'],
    [await putUrl('a'), 'GET'],
    [await putUrl('a'), 'DELETE'],
    [(await getUrl('a')).replace('/a?', '/b?'), 'GET'],
    [(await putUrl('a')).replace('/a?', '/b?'), 'PUT'],
  ] as const) {
    expect((await plain(url, { method, ...(method === 'PUT' ? { body: 'x' } : {}) })).status).toBe(403);
  }
  expect({ read: await read('a'), isThere: await isThere('b') }).toEqual({ read: 'stored', isThere: false });
});

test('U7: a URL to get is none to ask about', async () => {
  expect((await plain(await getUrl('a'), { method: 'HEAD' })).status).toBe(403);
});

test('U8: what is added to the query is not signed', async () => {
  const url = await getUrl('a');
  for (const more of ['versionId=null', 'response-content-type=text/html', 'anything=x'])
    expect(await plain(`${url}&${more}`)).toMatchObject({ status: 403, code: 'SignatureDoesNotMatch' });
});

test('U9: headers that could change the request must be signed, others need not', async () => {
  for (const [name, value] of [
    ['x-amz-copy-source', `${Bucket}/a`],
    ['x-amz-tagging', 'k=v'],
    ['x-amz-acl', 'public-read'],
  ] as const) {
    const refused = await plain(await putUrl('unsigned'), { method: 'PUT', body: 'x', headers: { [name]: value } });
    expect(refused).toMatchObject({ status: 403, code: 'AccessDenied' });
    expect(refused.text).toContain(`<HeadersNotSigned>${name}</HeadersNotSigned>`);
  }
  expect(await isThere('unsigned')).toBe(false);
  expect(
    (
      await plain(await putUrl('unsigned'), {
        method: 'PUT',
        body: 'x',
        headers: { 'x-other': 'y', 'accept-language': 'de' },
      })
    ).status,
  ).toBe(200);
});

test('U10: a second lasts a second', async () => {
  const url = await getUrl('a', { expiresIn: 1 });
  expect(await at(2000, () => plain(url))).toMatchObject({
    status: 403,
    code: 'AccessDenied',
    text: expect.stringContaining('<Message>Request has expired</Message>') as string,
  });
});

/** What is out of range is forbidden, as ceph/s3-tests have it; what is no number at all is malformed. */
test('U11: a week is the longest', async () => {
  expect((await plain(await getUrl('a', { expiresIn: 604_800 }))).status).toBe(200);
  const url = await getUrl('a');
  for (const expires of ['604801', '-1'])
    expect(await plain(changed(url, 'X-Amz-Expires', () => expires))).toMatchObject({
      status: 403,
      code: 'AccessDenied',
    });
  for (const expires of ['abc', ''])
    expect(await plain(changed(url, 'X-Amz-Expires', () => expires))).toMatchObject({
      status: 400,
      code: 'AuthorizationQueryParametersError',
    });
  expect(await plain(url.replace('X-Amz-Expires=300&', ''))).toMatchObject({
    status: 400,
    code: 'AuthorizationQueryParametersError',
  });
});

test('U12: a clock may be fifteen minutes off, in headers either way, in URLs ahead', async () => {
  // Signatures know whole seconds: rounded so that the time between signing and asking does not matter.
  const offset = (seconds: number): number =>
    seconds * 1000 + (seconds === 901 || seconds === -899 ? (1000 - (Date.now() % 1000)) % 1000 : 0);
  for (const [seconds, outcome] of [
    [-901, 'RequestTimeTooSkewed'],
    [-899, undefined],
    [899, undefined],
    [901, 'RequestTimeTooSkewed'],
  ] as const) {
    const shifted = await s3Client(world, { systemClockOffset: offset(seconds) });
    expect({
      seconds,
      'ListObjectsV2 Bucket': await refusal(shifted.send(new ListObjectsV2Command({ Bucket }))),
    }).toEqual({ seconds, 'ListObjectsV2 Bucket': outcome });
  }
  for (const [seconds, outcome] of [
    [899, { status: 200, code: undefined }],
    [901, { status: 403, code: 'RequestTimeTooSkewed' }],
  ] as const) {
    const { status, code } = await plain(await getUrl('a', { signingDate: new Date(Date.now() + offset(seconds)) }));
    expect({ status, code }).toEqual(outcome);
  }
});

test('U13: a URL for a week is good for a week', async () => {
  const url = await getUrl('a', { expiresIn: 604_800 });
  for (const later of [6 * 60_000, 6 * day + 23 * 3_600_000])
    expect((await at(later, () => plain(url))).status).toBe(200);
  expect((await at(7 * day + 1000, () => plain(url))).status).toBe(403);
});

/** Any region is taken, see README: which one a client is set up for says nothing of who it is. */
test('U14: a credential is for this service, that day and this algorithm', async () => {
  const url = await getUrl('a');
  const credentials: ((credential: string) => string)[] = [
    (text) => text.replace('/s3/', '/ec2/'),
    (text) => text.replace(/\/\d{8}\//, '/20200101/'),
    (text) => text.replace('aws4_request', 'aws5_request'),
    () => 'nonsense',
  ];
  const bad = [
    ...credentials.map((change) => changed(url, 'X-Amz-Credential', change)),
    changed(url, 'X-Amz-Algorithm', () => 'AWS4-ECDSA-P256-SHA256'),
  ];
  for (const one of bad)
    expect(await plain(one)).toMatchObject({ status: 400, code: 'AuthorizationQueryParametersError' });
  const {
    headers: { authorization, ...headers },
  } = signedChunks({ key: await world.accessKey(), method: 'PUT', url: new URL(`${world.s3Url}/${Bucket}/a`) }, []);
  for (const change of [...credentials, (text: string) => text.replace('AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256')]) {
    expect(
      await plain(`${world.s3Url}/${Bucket}/a`, {
        method: 'PUT',
        headers: { ...headers, authorization: change(authorization!) },
      }),
    ).toMatchObject({ status: 400, code: 'AuthorizationHeaderMalformed' });
  }
  const elsewhere = await s3Client(world, { region: 'eu-west-9' });
  expect({
    'HeadObject Bucket Key a': await refusal(elsewhere.send(new HeadObjectCommand({ Bucket, Key: 'a' }))),
    status: (await plain(await getUrl('a', {}, elsewhere))).status,
  }).toEqual({ 'HeadObject Bucket Key a': undefined, status: 200 });
});

test('U15: keys that there are not, or not any more, sign nothing', async () => {
  const unknown = await s3Client(world, { credentials: { accessKeyId: 'AKIDNOBODY', secretAccessKey: 'x' } });
  expect(await plain(await getUrl('a', {}, unknown))).toMatchObject({ status: 403, code: 'InvalidAccessKeyId' });
  const brief = await s3Client(world);
  const url = await getUrl('a', {}, brief);
  expect((await plain(url)).status).toBe(200);
  await world.ask('DELETE', `/api/storage/keys/${(await brief.config.credentials()).accessKeyId}`);
  expect(await plain(url)).toMatchObject({ status: 403, code: 'InvalidAccessKeyId' });
  expect(await refusal(brief.send(new GetObjectCommand({ Bucket, Key: 'a' })))).toBe('InvalidAccessKeyId');
});

test('U16: what the signer may counts, when the URL is used', async () => {
  const stranger = await s3Client(world, { as: await world.addNamespace('stranger') });
  const url = await getUrl('a', {}, stranger);
  expect(await plain(url)).toMatchObject({ status: 403, code: 'AccessDenied' });
  const Statement = [
    {
      Effect: 'Allow',
      Principal: { AWS: 'arn:aws:iam::stranger:root' },
      Action: 's3:GetObject',
      Resource: `arn:aws:s3:::${Bucket}/a`,
    },
  ];
  await s3.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) }));
  expect((await plain(url)).status).toBe(200);
  await s3.send(
    new PutBucketPolicyCommand({
      Bucket,
      Policy: JSON.stringify({ Version: '2012-10-17', Statement: [{ ...Statement[0], Effect: 'Deny' }] }),
    }),
  );
  expect(await plain(url)).toMatchObject({ status: 403, code: 'AccessDenied' });
  const reader = await s3Client(world, { wish: { buckets: [Bucket], permissions: { read: true } } });
  expect({
    status: (await plain(await getUrl('a', {}, reader))).status,
    code: (await plain(await putUrl('a', {}, reader), { method: 'PUT', body: 'x' })).code,
  }).toEqual({ status: 200, code: 'AccessDenied' });
  await s3.send(new CreateBucketCommand({ Bucket: 'not-for-readers' }));
  expect(
    (await plain(await getSignedUrl(reader, new GetObjectCommand({ Bucket: 'not-for-readers', Key: 'k' })))).code,
  ).toBe('AccessDenied');
});

test('U17: a type that was signed is the type to send', async () => {
  const url = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: 'typed', ContentType: 'image/png' }), {
    expiresIn: 300,
    signableHeaders: new Set(['content-type']),
  });
  const put = (type: string | undefined): Promise<{ status: number; code: string | undefined }> =>
    plain(url, {
      method: 'PUT',
      body: Buffer.from('x'),
      ...(type === undefined ? {} : { headers: { 'content-type': type } }),
    });
  for (const type of ['image/gif', undefined])
    expect(await put(type)).toMatchObject({ status: 403, code: 'SignatureDoesNotMatch' });
  expect({
    status: (await put('image/png')).status,
    ContentType: (await s3.send(new HeadObjectCommand({ Bucket, Key: 'typed' }))).ContentType,
  }).toEqual({ status: 200, ContentType: 'image/png' });
});

test("U18: a type that was not signed is the sender's choice", async () => {
  const url = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: 'free', ContentType: 'image/png' }), {
    expiresIn: 300,
  });
  for (const type of ['text/x-one', 'text/x-two']) {
    expect((await plain(url, { method: 'PUT', body: 'x', headers: { 'content-type': type } })).status).toBe(200);
    expect((await s3.send(new HeadObjectCommand({ Bucket, Key: 'free' }))).ContentType).toBe(type);
  }
});

test('U19: a checksum in the headers binds', async () => {
  const ChecksumSHA256 = createHash('sha256').update('right').digest('base64');
  const signed = (Key: string): Promise<string> =>
    getSignedUrl(s3, new PutObjectCommand({ Bucket, Key, ChecksumSHA256 }), {
      expiresIn: 300,
      unhoistableHeaders: new Set(['x-amz-checksum-sha256']),
    });
  const put = async (url: string, body: string, headers: Record<string, string>): Promise<unknown> => {
    const { status, code } = await plain(url, { method: 'PUT', body, headers });
    return [status, code];
  };
  const sha256 = { 'x-amz-checksum-sha256': ChecksumSHA256 };
  const contentMd5 = { 'content-md5': createHash('md5').update('right').digest('base64') };
  expect({
    'the bytes of the SHA-256': await put(await signed('sha-right'), 'right', sha256),
    'other bytes than the SHA-256 says': await put(await signed('sha-wrong'), 'wrong', sha256),
  }).toEqual({
    'the bytes of the SHA-256': [200, undefined],
    'other bytes than the SHA-256 says': [400, 'BadDigest'],
  });
  expect({
    'the bytes of the MD5': await put(await putUrl('md5-right'), 'right', contentMd5),
    'other bytes than the MD5 says': await put(await putUrl('md5-wrong'), 'wrong', contentMd5),
  }).toEqual({
    'the bytes of the MD5': [200, undefined],
    'other bytes than the MD5 says': [400, 'BadDigest'],
  });
  expect(await Promise.all(['sha-right', 'sha-wrong', 'md5-right', 'md5-wrong'].map(isThere))).toEqual([
    true,
    false,
    true,
    false,
  ]);
});

test('U20: a checksum in the query, of no body, binds nobody', async () => {
  const url = await putUrl('crc');
  expect(new URL(url).searchParams.get('x-amz-checksum-crc32')).toBe('AAAAAA==');
  expect((await plain(url, { method: 'PUT', body: 'a body after all' })).status).toBe(200);
  expect(await read('crc')).toBe('a body after all');
});

test('U21: a URL may be used twice', async () => {
  const url = await getUrl('by-header');
  expect({ first: (await plain(url)).text, again: (await plain(url)).text }).toEqual({ first: 'one', again: 'one' });
});

describe('U24: bodies', () => {
  test('without a length are refused in S3, and taken by the other faces', async () => {
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'chunked' }));
    const part = await getSignedUrl(s3, new UploadPartCommand({ Bucket, Key: 'chunked', UploadId, PartNumber: 1 }), {
      expiresIn: 300,
    });
    for (const url of [await putUrl('chunked'), part].map((text) => new URL(text))) {
      const connection = await RawConnection.open(world.s3Url);
      connection
        .head('PUT', url.pathname + url.search, { Host: url.host, 'Transfer-Encoding': 'chunked' })
        .send('5\r\nhello\r\n0\r\n\r\n');
      expect(await connection.answer()).toMatchObject({
        status: 411,
        body: expect.stringContaining('MissingContentLength') as string,
      });
      connection.close();
    }
    const upload = await world.upload(Buffer.alloc(0));
    const connection = await RawConnection.open(world.url);
    connection
      .head('POST', `/upload/${upload}`, {
        Host: 'here',
        Authorization: `Bearer ${await world.token()}`,
        'Content-Type': 'application/octet-stream',
        'Transfer-Encoding': 'chunked',
      })
      .send('5\r\nhello\r\n0\r\n\r\n');
    expect(await connection.answer()).toMatchObject({ status: 200, body: '5' });
    connection.close();
  });

  test('come in chunks of their own, each signed or with a trailer', async () => {
    const url = new URL(`${world.s3Url}/${Bucket}/signed-chunks`);
    const { headers, body } = signedChunks({ key: await world.accessKey(), method: 'PUT', url }, [
      randomBytes(65_536),
      Buffer.from('the end'),
    ]);
    expect((await plain(url, { method: 'PUT', headers, body })).status).toBe(200);
    expect(await s3.send(new HeadObjectCommand({ Bucket, Key: 'signed-chunks' }))).toMatchObject({
      ContentLength: 65_543,
    });
    const damaged = Buffer.from(body);
    damaged[200]! ^= 1;
    expect(await plain(url, { method: 'PUT', headers, body: damaged })).toMatchObject({
      status: 403,
      code: 'SignatureDoesNotMatch',
    });
    const trailing = await s3Client(world);
    const names: string[] = [];
    trailing.middlewareStack.add(
      (next) => (args) => {
        names.push((args.request as { headers: Record<string, string> }).headers['x-amz-content-sha256']!);
        return next(args);
      },
      { step: 'finalizeRequest', priority: 'low' },
    );
    await trailing.send(
      new PutObjectCommand({
        Bucket,
        Key: 'trailer',
        Body: Readable.from([Buffer.from('in a '), Buffer.from('stream')]),
        ContentLength: 11,
      }),
    );
    expect({ names, read: await read('trailer') }).toEqual({
      names: ['STREAMING-UNSIGNED-PAYLOAD-TRAILER'],
      read: 'in a stream',
    });
  });

  test('that wait for leave get it', async () => {
    const url = new URL(await putUrl('expected'));
    const connection = await RawConnection.open(world.s3Url);
    connection.head('PUT', url.pathname + url.search, { Host: url.host, 'Content-Length': 5, Expect: '100-continue' });
    expect((await connection.answer()).status).toBe(100);
    connection.send('hello');
    expect((await connection.answer()).status).toBe(200);
    connection.close();
  });
});

test('U25: more than 5 GiB at once is refused before it comes', async () => {
  const url = new URL(await putUrl('huge'));
  const connection = await RawConnection.open(world.s3Url);
  connection.head('PUT', url.pathname + url.search, { Host: url.host, 'Content-Length': 5 * 1024 ** 3 + 1 });
  expect(await connection.answer()).toMatchObject({
    status: 400,
    body: expect.stringContaining('<Code>EntityTooLarge</Code>') as string,
  });
  connection.close();
});

test('U26: parts by URLs, put together by whoever has the key', async () => {
  const contents = [randomBytes(5 * MiB), Buffer.from('the end')];
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'parts' }));
  const Parts: CompletedPart[] = [];
  for (const [index, body] of contents.entries()) {
    const PartNumber = index + 1;
    const put = await fetch(
      await getSignedUrl(s3, new UploadPartCommand({ Bucket, Key: 'parts', UploadId, PartNumber }), { expiresIn: 300 }),
      { method: 'PUT', body },
    );
    Parts.push({ PartNumber, ETag: put.headers.get('etag')! });
  }
  const { ETag } = await s3.send(
    new CompleteMultipartUploadCommand({ Bucket, Key: 'parts', UploadId, MultipartUpload: { Parts } }),
  );
  expect(ETag).toBe(`"${md5(Buffer.from(contents.map(md5).join(''), 'hex'))}-2"`);
});

test('U27: parts have bounds, an order and tags', async () => {
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'bounded' }));
  const part = { Bucket, Key: 'bounded', UploadId };
  for (const PartNumber of [0, 10_001])
    expect(await refusal(s3.send(new UploadPartCommand({ ...part, PartNumber, Body: 'x' })))).toBe('InvalidArgument');
  const Parts: CompletedPart[] = [];
  for (const PartNumber of [1, 10_000])
    Parts.push({
      PartNumber,
      ETag: (await s3.send(new UploadPartCommand({ ...part, PartNumber, Body: 'small' }))).ETag,
    });
  const complete = (named: CompletedPart[]): Promise<string | undefined> =>
    refusal(s3.send(new CompleteMultipartUploadCommand({ ...part, MultipartUpload: { Parts: named } })));
  expect(await complete(Parts)).toBe('EntityTooSmall');
  expect(await complete(Parts.toReversed())).toBe('InvalidPartOrder');
  expect(await complete([{ ...Parts[0], ETag: `"${md5('other')}"` }])).toBe('InvalidPart');
  expect(await complete([Parts[1]!])).toBeUndefined();
});

test('U29: keys have 1,024 bytes at most, buckets 63', async () => {
  const put = (Key: string): Promise<string | undefined> =>
    refusal(s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x' })));
  expect({
    'put repeat 1024': await put('x'.repeat(1024)),
    'put repeat 1025': await put('x'.repeat(1025)),
    'put repeat 512': await put('ü'.repeat(512)),
    'put repeat 513': await put('ü'.repeat(513)),
  }).toEqual({
    'put repeat 1024': undefined,
    'put repeat 1025': 'KeyTooLongError',
    'put repeat 512': undefined,
    'put repeat 513': 'KeyTooLongError',
  });
  const make = (name: string): Promise<string | undefined> =>
    refusal(s3.send(new CreateBucketCommand({ Bucket: name })));
  expect({ 'make repeat 63': await make('b'.repeat(63)), 'make repeat 64': await make('b'.repeat(64)) }).toEqual({
    'make repeat 63': undefined,
    'make repeat 64': 'InvalidBucketName',
  });
});

test('U30: a folder is an empty object whose key ends in a slash', async () => {
  await s3.send(new CreateBucketCommand({ Bucket: 'folders' }));
  for (const [Key, Body] of [
    ['a/', ''],
    ['a/file', 'x'],
    ['top', 'x'],
  ] as const)
    await s3.send(new PutObjectCommand({ Bucket: 'folders', Key, Body: Buffer.from(Body) }));
  expect((await s3.send(new HeadObjectCommand({ Bucket: 'folders', Key: 'a/' }))).ContentLength).toBe(0);
  const { Contents, CommonPrefixes } = await s3.send(new ListObjectsV2Command({ Bucket: 'folders', Delimiter: '/' }));
  expect({
    Contents: Contents!.map(({ Key }) => Key),
    CommonPrefixes: CommonPrefixes!.map(({ Prefix }) => Prefix),
  }).toEqual({ Contents: ['top'], CommonPrefixes: ['a/'] });
});

test('U31: what is not there is deleted', async () => {
  expect((await s3.send(new DeleteObjectCommand({ Bucket, Key: 'never-was' }))).$metadata.httpStatusCode).toBe(204);
});

test('U36: what a GET is to be called can be signed into it', async () => {
  const url = await getSignedUrl(
    s3,
    new GetObjectCommand({ Bucket, Key: 'a', ResponseContentDisposition: 'attachment; filename="holiday ü.mov"' }),
    { expiresIn: 300 },
  );
  expect((await fetch(url)).headers.get('content-disposition')).toMatch(/^attachment; filename="holiday /);
});

test('U38: what clients ask of a bucket is answered, with a body or without', async () => {
  await s3.send(new CreateBucketCommand({ Bucket: 'probed' }));
  const key = await world.accessKey();
  for (const [question, root] of [
    ['acl', 'AccessControlPolicy'],
    ['location', 'LocationConstraint'],
    ['versioning', 'VersioningConfiguration'],
    ['versions', 'ListVersionsResult'],
  ] as const) {
    const ask = (method: string): ReturnType<typeof plain> =>
      plain(presignByHand({ key, method, url: new URL(`${world.s3Url}/probed?${question}`) }), { method });
    const got = await ask('GET');
    expect({ status: got.status, 'content-type': got.headers.get('content-type'), text: got.text }).toEqual({
      status: 200,
      'content-type': 'application/xml',
      text: expect.stringMatching(new RegExp(`^<\\?xml [^]*<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`)),
    });
    const headed = await ask('HEAD');
    expect({
      status: headed.status,
      'content-length': headed.headers.get('content-length'),
      text: headed.text,
    }).toEqual({ status: 200, 'content-length': String(Buffer.byteLength(got.text)), text: '' });
  }
});
