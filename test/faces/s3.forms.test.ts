/** POST Object, as browsers and scripts send it: policies, fields and responses. */
import { createHash, createHmac } from 'node:crypto';
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { plain, refusal, s3Client, type Plain } from '../support/s3.ts';
import { openWorld, type World } from '../support/world.ts';

const Bucket = 'forms';
const secret = 'a-secret-of-the-root-key';
let world: World;
let s3: S3Client;
beforeAll(async () => {
  world = await openWorld({ env: { STOWAGE_S3_ACCESS_KEY_ID: 'AKIDROOT', STOWAGE_S3_SECRET_ACCESS_KEY: secret } });
  s3 = await s3Client(world);
  for (const name of [Bucket, 'another']) await s3.send(new CreateBucketCommand({ Bucket: name }));
});
afterAll(() => world.close());

interface Part {
  readonly name: string;
  readonly value: string | Buffer;
  /** Headers and parameters of the part. */
  readonly filename?: string;
  readonly type?: string;
}

const text = (fields: Readonly<Record<string, string>>): Part[] =>
  Object.entries(fields).map(([name, value]) => ({ name, value }));
const file = (value: string | Buffer, filename?: string): Part => ({
  name: 'file',
  value,
  ...(filename === undefined ? {} : { filename }),
  type: 'text/plain',
});

async function post(parts: readonly Part[], { bucket = Bucket, headers = {} } = {}): Promise<Plain> {
  const pieces = parts.map(({ name, value, filename, type }) =>
    Buffer.concat([
      Buffer.from(
        `--xx\r\nContent-Disposition: form-data; name="${name}"${filename === undefined ? '' : `; filename="${filename}"`}\r\n`,
      ),
      Buffer.from(`${type === undefined ? '' : `Content-Type: ${type}\r\n`}\r\n`),
      Buffer.from(value),
      Buffer.from('\r\n'),
    ]),
  );
  const body = Buffer.concat([...pieces, Buffer.from('--xx--\r\n')]);
  return plain(`${world.s3Url}/${bucket}`, {
    method: 'POST',
    body,
    headers: { 'Content-Type': 'multipart/form-data; boundary=xx', ...headers },
  });
}

/** The fields of a policy with these conditions. */
function policy(...conditions: unknown[]): Part[] {
  const document = { expiration: new Date(world.clock.now() + 60_000).toISOString(), conditions };
  const encoded = Buffer.from(JSON.stringify(document)).toString('base64');
  return text({
    AWSAccessKeyId: 'AKIDROOT',
    policy: encoded,
    signature: createHmac('sha1', secret).update(encoded).digest('base64'),
  });
}

const usual = (key: string, ...more: unknown[]): Part[] => [
  ...policy({ bucket: Bucket }, { key }, ...more),
  { name: 'key', value: key },
];
const head = (Key: string): Promise<HeadObjectCommandOutput> =>
  s3.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
const read = async (Key: string): Promise<Buffer> =>
  Buffer.from(await (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body!.transformToByteArray());

describe('A6: the file ends the fields', () => {
  const behind = {
    acl: 'public-read',
    'Content-Type': 'text/html',
    'x-amz-meta-a': 'b',
    key: 'elsewhere',
    success_action_status: '201',
    success_action_redirect: 'http://evil.test/',
  };

  test.each([
    ['plain fields', undefined],
    ['parts that look like files', 'f'],
  ])('%s behind it mean nothing, to the object and to the answer', async (_what, filename) => {
    const answer = await post([
      ...usual('frozen'),
      file('x', 'f'),
      ...text(behind).map((part) => ({ ...part, ...(filename === undefined ? {} : { filename }) })),
    ]);
    expect({ status: answer.status, location: answer.headers.get('location') }).toEqual({
      status: 204,
      location: `${world.s3Url}/${Bucket}/frozen`,
    });
    expect(await head('frozen')).toMatchObject({ ContentType: 'binary/octet-stream', Metadata: {} });
    expect((await plain(`${world.s3Url}/${Bucket}/frozen`)).status).toBe(403);
    expect(await refusal(head('elsewhere'))).toBe('404');
  });

  test('before it they are checked, however they look', async () => {
    for (const part of text(behind)) {
      for (const filename of [undefined, 'f']) {
        const wish = [...usual('checked'), { ...part, ...(filename === undefined ? {} : { filename }) }, file('x')];
        // A second key is refused as a field that comes twice.
        expect((await post(wish)).status).toBe(part.name === 'key' ? 400 : 403);
      }
    }
    expect(await refusal(head('checked'))).toBe('404');
  });

  test('a second file means nothing', async () => {
    expect((await post([...usual('two'), file('first', 'a'), file('second', 'b')])).status).toBe(204);
    expect((await read('two')).toString()).toBe('first');
  });

  test('without a file there is nothing to make', async () => {
    expect((await post(usual('none'))).code).toBe('InvalidArgument');
  });
});

describe('A7: a policy covers every field', () => {
  test('of which the bucket is one, in the form or not', async () => {
    for (const bucket of [Bucket, 'another'])
      expect(await post([...policy({ key: 'k' }), ...text({ key: 'k' }), file('x')], { bucket })).toMatchObject({
        status: 403,
        code: 'AccessDenied',
      });
    expect(await post([...usual('k'), file('x')], { bucket: 'another' })).toMatchObject({
      status: 403,
      code: 'AccessDenied',
    });
    expect(
      await post([
        ...policy(['starts-with', '$bucket', ''], { key: 'k' }),
        ...text({ key: 'k', bucket: 'another' }),
        file('x'),
      ]),
    ).toMatchObject({ status: 403 });
    expect(
      (
        await post([
          ...policy(['starts-with', '$bucket', 'for'], { key: 'k' }),
          ...text({ key: 'k', bucket: Bucket }),
          file('x'),
        ])
      ).status,
    ).toBe(204);
  });

  test('all ranges of lengths hold, in any order', async () => {
    const ranges = [
      ['content-length-range', 0, 1000],
      ['content-length-range', 2, 3],
    ];
    for (const order of [ranges, ranges.toReversed()]) {
      expect((await post([...usual('ranged', ...order), file('x'.repeat(4))])).code).toBe('EntityTooLarge');
      expect((await post([...usual('ranged', ...order), file('x')])).code).toBe('EntityTooSmall');
      expect((await post([...usual('ranged', ...order), file('xxx')])).status).toBe(204);
    }
  });

  test('of two conditions on one field both hold', async () => {
    const conditions = [['starts-with', '$Content-Type', 'image/'], { 'Content-Type': 'image/png' }];
    expect(
      (await post([...usual('both', ...conditions), ...text({ 'Content-Type': 'image/gif' }), file('x')])).status,
    ).toBe(403);
    expect(
      (await post([...usual('both', ...conditions), ...text({ 'Content-Type': 'image/png' }), file('x')])).status,
    ).toBe(204);
  });

  test('a condition with more than it needs is no condition', async () => {
    expect((await post([...usual('long', ['eq', '$acl', 'private', 'public-read']), file('x')])).code).toBe(
      'InvalidPolicyDocument',
    );
  });

  test('a policy that two readers could take for two different ones is no policy', async () => {
    const expiration = new Date(world.clock.now() + 60_000).toISOString();
    const conditions = JSON.stringify([{ bucket: Bucket }, { key: 'read' }]);
    const fields = (policy: string): Part[] => [
      ...text({
        AWSAccessKeyId: 'AKIDROOT',
        policy,
        signature: createHmac('sha1', secret).update(policy).digest('base64'),
        key: 'read',
      }),
      file('x'),
    ];
    const encoded = (document: string | Buffer): string => Buffer.from(document).toString('base64');
    const whole = `{"expiration":"${expiration}","conditions":${conditions}}`;
    const bad = [
      encoded(`{"expiration":"2000-01-01T00:00:00Z","expiration":"${expiration}","conditions":${conditions}}`),
      encoded(`{"expiration":"${expiration}","conditions":[{"bucket":"other","bucket":"${Bucket}"},{"key":"read"}]}`),
      encoded(`\ufeff${whole}`),
      encoded(Buffer.from(whole.replace('read', 're\u00ffd'), 'latin1')),
      `${encoded(whole)}!`,
      `-${encoded(whole)}`,
    ];
    for (const policy of bad)
      expect(await post(fields(policy))).toMatchObject({ status: 400, code: 'InvalidPolicyDocument' });
    expect((await post(fields(encoded(whole).replace(/.{60}/g, '$&\r\n')))).status).toBe(204);
  });

  test('a field that comes twice is refused', async () => {
    const twice = [
      ...usual('twice', ['starts-with', '$x-amz-meta-a', '']),
      ...text({ 'x-amz-meta-a': '1' }),
      ...text({ 'X-Amz-Meta-A': '2' }),
      file('x'),
    ];
    expect((await post(twice)).code).toBe('InvalidArgument');
  });
});

describe('B6: the file', () => {
  test('needs no name and no type, and is taken byte by byte', async () => {
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, at) => at % 256));
    expect((await post([...usual('nameless'), { name: 'file', value: bytes }])).status).toBe(204);
    expect((await read('nameless')).equals(bytes)).toBe(true);
  });

  test('gives its name to every field that asks for it', async () => {
    const conditions = [
      ['starts-with', '$x-amz-meta-name', ''],
      ['starts-with', '$success_action_redirect', 'http://there/'],
    ];
    const fields = { 'x-amz-meta-name': 'it is ${filename}', success_action_redirect: 'http://there/?f=${filename}' };
    const wish = [
      ...policy({ bucket: Bucket }, ['starts-with', '$key', 'in/'], ...conditions),
      ...text({ key: 'in/${filename}', ...fields }),
      file('x', 'C:\\a folder\\$&.txt'),
    ];
    const answer = await post(wish);
    expect({ status: answer.status, location: answer.headers.get('location') }).toEqual({
      status: 303,
      location: expect.stringMatching(/^http:\/\/there\/\?f=\$&\.txt&bucket=forms&key=in%2F%24%26\.txt&etag=/),
    });
    expect(await head('in/$&.txt')).toMatchObject({ Metadata: { name: 'it is $&.txt' } });
  });

  test('a name that makes a field break its condition is refused', async () => {
    const wish = [
      ...policy({ bucket: Bucket }, ['starts-with', '$key', 'in/']),
      ...text({ key: '${filename}' }),
      file('x', 'out'),
    ];
    expect((await post(wish)).status).toBe(403);
  });

  test('answers say where it is', async () => {
    for (const status of ['200', '201', '204']) {
      const answer = await post([
        ...usual('placed', { success_action_status: status }),
        ...text({ success_action_status: status }),
        file('x'),
      ]);
      expect({ status: answer.status, location: answer.headers.get('location') }).toEqual({
        status: Number(status),
        location: `${world.s3Url}/${Bucket}/placed`,
      });
    }
  });

  test('is checked by the fields that protect it', async () => {
    const right = createHash('sha256').update('x').digest('base64');
    const md5 = createHash('md5').update('x').digest('base64');
    expect((await post([...usual('checked-1'), ...text({ 'x-amz-checksum-sha256': right }), file('x')])).status).toBe(
      204,
    );
    expect(await head('checked-1')).toMatchObject({ ChecksumSHA256: right });
    expect((await post([...usual('checked-2'), ...text({ 'x-amz-checksum-sha256': right }), file('y')])).code).toBe(
      'BadDigest',
    );
    expect((await post([...usual('checked-2'), ...text({ 'x-amz-checksum-sha3': right }), file('x')])).status).toBe(
      400,
    );
    expect(
      (await post([...usual('checked-2', { 'content-md5': md5 }), ...text({ 'content-md5': md5 }), file('y')])).code,
    ).toBe('BadDigest');
    for (const headers of [
      { 'Content-MD5': md5 },
      { 'x-amz-checksum-sha256': right },
      { 'Content-Digest': `sha-256=:${right}:` },
    ] as Record<string, string>[]) {
      expect([400, 501]).toContain((await post([...usual('checked-2'), file('x')], { headers })).status);
    }
    expect(await refusal(head('checked-2'))).toBe('404');
  });
});

describe('fields that make no sense', () => {
  test.each([
    ['no UTF-8', Buffer.from([0xff, 0xfe])],
    ['U+0000', 'a\0b'],
    ['too long', 'x'.repeat(21_000)],
  ])('a value that is %s', async (_what, value) => {
    expect(
      (await post([...usual('odd', ['starts-with', '$x-amz-meta-a', '']), { name: 'x-amz-meta-a', value }, file('x')]))
        .status,
    ).toBe(400);
  });

  test.each([
    'x-amz-server-side-encryption',
    'x-amz-server-side-encryption-customer-key',
    'x-amz-website-redirect-location',
    'x-amz-copy-source',
    'x-amz-expected-bucket-owner',
    'x-amz-request-payer',
    'x-amz-content-sha256',
    'x-amz-trailer',
    'x-amz-object-lock-unknown',
    'If-None-Match',
    'If-Match',
  ])('%s, which S3 gives a meaning that a form cannot have here', async (name) => {
    expect(await post([...usual('not-read', { [name]: '*' }), ...text({ [name]: '*' }), file('x')])).toMatchObject({
      status: 501,
      code: 'NotImplemented',
    });
    expect(await refusal(head('not-read'))).toBe('404');
  });

  test('a session that there is not', async () => {
    expect(
      (
        await post([
          ...usual('not-read', { 'x-amz-security-token': 't' }),
          ...text({ 'X-Amz-Security-Token': 't' }),
          file('x'),
        ])
      ).code,
    ).toBe('InvalidToken');
  });

  test('fields of other words mean nothing, once the policy names them', async () => {
    expect(
      (
        await post([
          ...usual('named', { 'x-amz-yard': 'y', 'x-other': 'z' }),
          ...text({ 'x-amz-yard': 'y', 'x-other': 'z' }),
          file('x'),
        ])
      ).status,
    ).toBe(204);
  });

  test('a key that is too long', async () => {
    expect((await post([...usual('k'.repeat(1025)), file('x')])).code).toBe('KeyTooLongError');
  });

  test('a form with too many fields is refused', async () => {
    expect(
      (
        await post([
          ...Array.from({ length: 70 }, (_, at) => ({ name: `x-ignore-${at}`, value: '' })),
          ...usual('many'),
          file('x'),
        ])
      ).code,
    ).toBe('MalformedPOSTRequest');
  });

  test('a form that ends early stores nothing', async () => {
    const answer = await plain(`${world.s3Url}/${Bucket}`, {
      method: 'POST',
      body: '--xx\r\nContent-Disposition: form-data; name="key"\r\n\r\nearly',
      headers: { 'Content-Type': 'multipart/form-data; boundary=xx' },
    });
    expect(answer.code).toBe('MalformedPOSTRequest');
  });
});

test('a form says by one name only who may read the object', async () => {
  const parts = usual('two-lists', { acl: 'private' }, { 'x-amz-acl': 'public-read' });
  const lists = text({ acl: 'private', 'x-amz-acl': 'public-read' });
  expect(await post([...parts, ...lists, file('text')])).toMatchObject({ status: 400, code: 'InvalidArgument' });
  expect(await refusal(head('two-lists'))).toBe('404');
});
