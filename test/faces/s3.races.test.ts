/** Buckets that are removed, or recreated under the same name, during a request. */
import { request, type IncomingMessage } from 'node:http';
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { eventually } from '../support/raw.ts';
import { whole } from '../support/requests.ts';
import { askerOf, done, system, type Ask } from '../support/races.ts';
import { refusal, s3Client } from '../support/s3.ts';
import { openWorld, type World } from '../support/world.ts';

const who = { namespace: 'first', credential: 'test' };
let world: World;
beforeAll(async () => {
  world = await openWorld();
  await world.addNamespace('first');
  await world.addNamespace('second');
});
afterAll(() => world.close());

test('a multipart upload begins before its bucket is removed, or is told that there is no bucket', async () => {
  const s3 = await s3Client(world, { as: 'first' });
  const answers = new Set<string | undefined>();
  for (let round = 0; round < 40; round += 1) {
    const Bucket = `gone-${round}`;
    await s3.send(new CreateBucketCommand({ Bucket }));
    const begin = (): Promise<string | undefined> =>
      refusal(s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'k' })));
    const [, ...begun] = await Promise.all([s3.send(new DeleteBucketCommand({ Bucket })), begin(), begin(), begin()]);
    for (const answer of begun) answers.add(answer);
  }
  expect([...answers].filter((answer) => answer !== undefined && answer !== 'NoSuchBucket')).toEqual([]);
});

test('an object whose bucket became the bucket of another while its bytes came is not put into that one', async () => {
  const Bucket = 'handed-on';
  const [first, second] = [await s3Client(world, { as: 'first' }), await s3Client(world, { as: 'second' })];
  await first.send(new CreateBucketCommand({ Bucket }));
  // Large enough that the upload is on record while its bytes come.
  const bytes = Buffer.alloc(33 * 1024 * 1024);
  const url = await getSignedUrl(first, new PutObjectCommand({ Bucket, Key: 'k' }));
  const putting = request(url, { method: 'PUT', headers: { 'Content-Length': bytes.length } });
  const answered = new Promise<IncomingMessage>((resolve, reject) =>
    putting.on('error', reject).on('response', resolve),
  );
  putting.write(bytes.subarray(1));
  await eventually(async () => (await world.core.usage.get(who)).reserved > 0);
  await first.send(new DeleteBucketCommand({ Bucket }));
  await second.send(new CreateBucketCommand({ Bucket }));
  putting.end(bytes.subarray(0, 1));
  expect((await whole(await answered)).toString()).toContain('<Code>NoSuchBucket</Code>');
  const { Versions, DeleteMarkers } = await second.send(new ListObjectVersionsCommand({ Bucket }));
  expect({ Versions, DeleteMarkers }).toEqual({ Versions: undefined, DeleteMarkers: undefined });
});

/** Requests, and the method of the core that each of them comes to when it was found to be allowed. */
const allowed: readonly [method: string, request: (ask: Ask) => ReturnType<Ask>][] = [
  [
    'buckets.change',
    (ask) =>
      ask('PUT', '/same?tagging', {
        body: '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>',
      }),
  ],
  ['buckets.remove', (ask) => ask('DELETE', '/same')],
  ['objects.receive', (ask) => ask('PUT', '/same/k', { body: 'of the first' })],
  ['objects.copy', (ask) => ask('PUT', '/same/k', { headers: { 'x-amz-copy-source': 'same/other' } })],
  ['objects.remove', (ask) => ask('DELETE', '/same/k')],
  ['objects.removeVersion', (ask) => ask('DELETE', '/same/k?versionId=null')],
  ['objects.entries', (ask) => ask('GET', '/same?list-type=2')],
  ['multipart.begin', (ask) => ask('POST', '/same/k?uploads')],
];

test.each(allowed)(
  '%s of a bucket that went with its namespace leaves the next bucket of both names as it is',
  async (path, change) => {
    const { core } = world;
    const ask = askerOf(world, await world.accessKey());
    const make = async (body: string): Promise<void> => {
      await core.namespaces.create(system, 'same');
      await core.buckets.create({ namespace: 'same', credential: 'test' }, 'same');
      for (const key of ['k', 'other']) await done(ask('PUT', `/same/${key}`, { body }));
    };
    const [noun, method] = path.split('.') as ['objects', 'receive'];
    const [service, real] = [core[noun], core[noun][method]];
    await make('of the first');
    const handOn = async (): Promise<void> => {
      service[method] = real;
      await core.namespaces.remove(system, 'same');
      await make('of the next');
    };
    service[method] = async (...args) => {
      await handOn();
      return real.apply(service, args);
    };
    expect(await change(ask)).toMatchObject({ status: 404, code: 'NoSuchBucket' });
    expect((await done(ask('GET', '/same/k'))).text).toBe('of the next');
    expect((await ask('GET', '/same?tagging')).code).toBe('NoSuchTagSet');
    expect((await done(ask('GET', '/same?uploads'))).text).not.toContain('<Upload>');
    await core.namespaces.remove(system, 'same');
  },
);
