/** Every face refuses slow-to-parse fields and numbers and times out of range, without a change. */
import {
  CreateBucketCommand,
  HeadObjectCommand,
  PutBucketLifecycleConfigurationCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { adminKey, env } from '../support/releasy.ts';
import { plain, refusal, s3Client, type Plain } from '../support/s3.ts';
import { presignByHand, signHeaders } from '../support/sigv4.ts';
import { openWorld, type World } from '../support/world.ts';

const Bucket = 'numbers';
const Key = 'k';
let world: World;
let s3: S3Client;
beforeAll(async () => {
  world = await openWorld({ env });
  await world.addNamespace('alpha');
  s3 = await s3Client(world, { as: 'alpha' });
  await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
  await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'text' }));
});
afterAll(() => world.close());

async function send(method: string, target: string, body?: string): Promise<Plain> {
  const url = new URL(`${world.s3Url}/${target}`);
  const signed = presignByHand({ key: await s3.config.credentials(), method, url, at: world.clock.now() });
  return plain(signed, { method, ...(body === undefined ? {} : { body }) });
}

const huge = ['9007199254740992', '9007199254740993', '9223372036854775808', '18446744073709551616', '1e300'];

describe.each(huge)('%s', (number) => {
  const headers = { 'Content-Type': 'application/json' };

  test.each(['quota_bytes', 'transfer_bytes'])('as %s', async (name) => {
    const account = (): Promise<unknown> => world.get('GET', '/api/storage/usage', { as: 'alpha' });
    const before = await account();
    const body = `{"${name}":${number}}`;
    expect((await world.ask('PATCH', '/api/storage/quotas/alpha', { headers, body })).status).toBe(422);
    expect(await account()).toEqual(before);
  });

  test('as the largest upload of a capability', async () => {
    const body = `{"artifact":"a","max_size":${number}}`;
    expect((await world.ask('POST', '/capabilities', { headers, body })).status).toBe(400);
  });

  test.each(['created_from', 'created_to', 'offset', 'limit'])('as %s of a list of Releasy', async (name) => {
    const asked = { as: null, headers: { 'x-releasy-admin-key': adminKey } };
    expect((await world.ask('GET', `/v1/admin/audit-events?${name}=${number}`, asked)).status).toBe(400);
  });

  test.each(['Upload-Length', 'Upload-Offset'])('as %s of an upload', async (name) => {
    const tus = { 'Tus-Resumable': '1.0.0', 'Content-Type': 'application/offset+octet-stream' };
    const { uuid } = await world.get<{ uuid: string }>('POST', '/upload');
    for (const method of ['POST', 'PATCH']) {
      const path = method === 'POST' ? '/tus' : `/tus/${uuid}`;
      const fields = { ...tus, 'Upload-Length': '4', 'Upload-Offset': '0', [name]: number };
      const { status } = await world.ask(method, path, { headers: fields, body: 'text' });
      expect({ method, refused: status >= 400 && status < 500 }).toEqual({
        method,
        refused: !(method === 'POST' && name === 'Upload-Offset'),
      });
    }
  });

  test.each(['max-keys', 'uploads&max-uploads', 'partNumber', 'uploadId=x&max-parts'])('as %s of S3', async (name) => {
    const object = name.includes('art') ? `/${Key}` : '';
    const { status } = await send('GET', `${Bucket}${object}?${name}=${number}`);
    expect(status >= 400 && status < 500).toBe(true);
  });
});

describe('a lifecycle rule', () => {
  const put = (Days: number): Promise<string | undefined> => {
    const Rules = [{ ID: 'r', Status: 'Enabled' as const, Filter: { Prefix: '' }, Expiration: { Days } }];
    return refusal(s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } })));
  };
  const told = async (): Promise<string | undefined> =>
    (await s3.send(new HeadObjectCommand({ Bucket, Key }))).Expiration;

  test.each([2 ** 31, 999_999_999_999_999])('is not of %d days', async (days) => {
    expect(await put(days)).toBe('MalformedXML');
  });

  test('tells its day up to the last one that HTTP can write', async () => {
    expect(await put(365)).toBeUndefined();
    expect(await told()).toMatch(/^expiry-date="\w{3}, \d\d \w{3} \d{4} 00:00:00 GMT", rule-id="r"$/);
    for (const days of [2_920_000, 3_000_000, 2 ** 31 - 1]) {
      expect(await put(days)).toBeUndefined();
      expect(await told()).toBeUndefined();
    }
  });
});

describe('a date until which an object is kept', () => {
  const body = (until: string): string =>
    `<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>${until}</RetainUntilDate></Retention>`;

  test.each([
    '9999-12-31T23:59:59-00:01',
    '+010000-01-01T00:00:00Z',
    '275761-01-01T00:00:00Z',
    '99999-01-01T00:00:00Z',
  ])('is not %s', async (until) => {
    const answer = await send('PUT', `${Bucket}/${Key}?retention`, body(until));
    expect({ status: answer.status, code: answer.code }).toEqual({ status: 400, code: 'MalformedXML' });
  });

  test('is told as it was given', async () => {
    const until = '9999-12-31T23:59:59.999Z';
    expect((await send('PUT', `${Bucket}/${Key}?retention`, body(until))).status).toBe(200);
    expect((await send('GET', `${Bucket}/${Key}?retention`)).text).toContain(until);
  });
});

describe('a field with much white space is read in time', () => {
  test('as a grant', async () => {
    const url = new URL(`${world.s3Url}/${Bucket}/${Key}?acl`);
    const request = { key: await s3.config.credentials(), method: 'PUT', url, at: world.clock.now() };
    const headers = signHeaders(request, { 'x-amz-grant-read': `id=${' '.repeat(10_000)}""x` });
    expect(await plain(url, { method: 'PUT', headers })).toMatchObject({ status: 400, code: 'InvalidArgument' });
  });

  test('as the policy of a form', async () => {
    const form = new FormData();
    form.append('policy', `${' '.repeat(20_000)}!`);
    form.append('x-amz-signature', 'x');
    form.append('file', 'text');
    const { status } = await plain(`${world.s3Url}/${Bucket}`, { method: 'POST', body: form });
    expect(status >= 400 && status < 500).toBe(true);
  });
});
