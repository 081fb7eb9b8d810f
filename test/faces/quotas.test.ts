/** A quota bounds bytes and records; a namespace over its quota can still delete. */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectTaggingCommand,
  DeletePublicAccessBlockCommand,
  GetObjectCommand,
  ListObjectVersionsCommand,
  PutBucketCorsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutBucketTaggingCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  UploadPartCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { recordsAllowed } from '../../src/catalog/quota.ts';
import { refusal, s3Client } from '../support/s3.ts';
import { openWorld, type World } from '../support/world.ts';

const Bucket = 'tight';
const as = 'tenant';
const system = { namespace: 'system', credential: 'test' };
let world: World;
let s3: S3Client;
beforeAll(async () => {
  world = await openWorld();
  await world.addNamespace(as);
  s3 = await s3Client(world, { as });
  await s3.send(new CreateBucketCommand({ Bucket }));
  await s3.send(new DeletePublicAccessBlockCommand({ Bucket }));
  await s3.send(new PutObjectCommand({ Bucket, Key: 'there', Body: 'text' }));
  // Below this, a quota bounds bytes alone.
  const Metadata = { long: 'x'.repeat(1900) };
  for (let n = 0; (await taken()) <= recordsAllowed; n += 1)
    await s3.send(new PutObjectCommand({ Bucket, Key: `full/${n}`, Metadata, ContentLength: 0 }));
});
afterEach(() => allow(null));
afterAll(() => world.close());

const taken = async (): Promise<number> => (await world.core.usage.get(system, as)).records;

/** Sets the quota to what records take and so much more. */
async function allow(more: number | null): Promise<void> {
  const json = { quota_bytes: more === null ? null : (await taken()) + more };
  expect((await world.ask('PATCH', `/api/storage/quotas/${as}`, { json })).status).toBe(200);
}

const s3Refusal = (command: object): Promise<string | undefined> => refusal(s3.send(command as PutObjectCommand));
const policy = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Deny', Principal: '*', Action: 's3:GetBucketAcl', Resource: `arn:aws:s3:::${Bucket}` }],
});
const Key = 'there';
const rule = { ID: 'r', Status: 'Enabled' as const, Filter: { Prefix: 'old/' }, Expiration: { Days: 1 } };
const cors = { AllowedMethods: ['GET'], AllowedOrigins: ['https://a.example'] };

test.each([
  ['an object without bytes', () => new PutObjectCommand({ Bucket, Key: 'empty', ContentLength: 0 })],
  ['a copy', () => new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/${Key}` })],
  ['a bucket', () => new CreateBucketCommand({ Bucket: 'another' })],
  ['a multipart upload', () => new CreateMultipartUploadCommand({ Bucket, Key: 'parts' })],
  ['tags', () => new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet: [{ Key: 'k', Value: 'v' }] } })],
  ['a policy', () => new PutBucketPolicyCommand({ Bucket, Policy: policy })],
  ['rules for pages', () => new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules: [cors] } })],
  ['tags of a bucket', () => new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet: [{ Key: 'k', Value: 'v' }] } })],
  [
    'lifecycle rules',
    () => new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules: [rule] } }),
  ],
])('S3 refuses %s where the quota is taken', async (_what, command) => {
  await allow(0);
  const before = await taken();
  expect(await s3Refusal(command())).toBe('QuotaExceeded');
  expect(await taken()).toBe(before);
  await allow(4000);
  expect(await s3Refusal(command())).toBeUndefined();
});

test.each<[string, string, string, Parameters<World['ask']>[2]]>([
  ['an upload', 'POST', '/upload', {}],
  ['an upload that is resumable', 'POST', '/tus', { headers: { 'Tus-Resumable': '1.0.0', 'Upload-Length': '0' } }],
  ['a note', 'POST', `/auth/namespaces/${as}/metadata`, { json: { key: 'k', value: 'v' } }],
  ['a key', 'POST', `/auth/namespaces/${as}/keys`, { json: { key_name: 'more', key: 'long enough a secret' } }],
  ['an access key', 'POST', '/api/storage/keys', { json: { name: 'more', permissions: { read: true } } }],
])('the API refuses %s where the quota is taken', async (_what, method, path, asked) => {
  await allow(0);
  const before = await taken();
  const refused = await world.ask(method, path, { as, ...asked });
  expect({ status: refused.status, taken: await taken() }).toEqual({ status: 403, taken: before });
  await allow(4000);
  expect((await world.ask(method, path, { as, ...asked })).status).toBeLessThan(300);
});

test('a part is refused, and the upload can be aborted, which makes room', async () => {
  const place = { Bucket, Key: 'parted' };
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand(place));
  const part = (PartNumber: number) => new UploadPartCommand({ ...place, UploadId, PartNumber, Body: 'part' });
  await s3.send(part(1));
  await allow(600);
  const before = await taken();
  expect(await s3Refusal(part(2))).toBe('QuotaExceeded');
  expect(await taken()).toBe(before);
  await s3.send(new AbortMultipartUploadCommand({ ...place, UploadId }));
  expect(await taken()).toBeLessThan(before - 2 * 512);
});

test('a multipart upload whose parts were let in can be completed where the quota is taken', async () => {
  const place = { Bucket, Key: 'completed' };
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand(place));
  const Parts: { ETag: string | undefined; PartNumber: number }[] = [];
  for (const [PartNumber, Body] of [
    [1, Buffer.alloc(5 * 1024 * 1024)],
    [2, Buffer.from('end')],
  ] as const) {
    const { ETag } = await s3.send(new UploadPartCommand({ ...place, UploadId, PartNumber, Body }));
    Parts.push({ ETag, PartNumber });
  }
  await allow(0);
  await s3.send(new CompleteMultipartUploadCommand({ ...place, UploadId, MultipartUpload: { Parts } }));
  await s3.send(new DeleteObjectCommand(place));
});

test('whoever is over the quota can delete, which makes room for as much', async () => {
  const put = (name: string) => new PutObjectCommand({ Bucket, Key: name, ContentLength: 0 });
  await s3.send(put('old'));
  await s3.send(new PutObjectTaggingCommand({ Bucket, Key: 'old', Tagging: { TagSet: [{ Key: 'k', Value: 'v' }] } }));
  await s3.send(new CreateBucketCommand({ Bucket: 'emptied' }));
  await allow(-400);
  expect(await s3Refusal(put('new'))).toBe('QuotaExceeded');
  await s3.send(new DeleteObjectTaggingCommand({ Bucket, Key: 'old' }));
  await s3.send(new DeleteBucketCommand({ Bucket: 'emptied' }));
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'old' }));
  expect(await s3Refusal(put('new'))).toBeUndefined();
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'new' }));
});

test('a delete marker is never refused, and where it would hide nothing a full namespace gets no more of them', async () => {
  const versioned = 'versioned';
  await s3.send(new CreateBucketCommand({ Bucket: versioned }));
  const VersioningConfiguration = { Status: 'Enabled' as const };
  await s3.send(new PutBucketVersioningCommand({ Bucket: versioned, VersioningConfiguration }));
  const place = { Bucket: versioned, Key: 'k' };
  const { VersionId } = await s3.send(new PutObjectCommand({ ...place, Body: 'text' }));
  await allow(0);
  const marker = await s3.send(new DeleteObjectCommand(place));
  expect(marker).toMatchObject({ DeleteMarker: true });
  const hidden = await taken();
  expect(await refusal(s3.send(new GetObjectCommand(place)))).toBe('NoSuchKey');
  expect(await s3.send(new DeleteObjectCommand(place))).toMatchObject({
    DeleteMarker: true,
    VersionId: marker.VersionId,
  });
  for (let n = 0; n < 3; n += 1) await s3.send(new DeleteObjectCommand({ ...place, Key: `absent ${n}` }));
  expect(await taken()).toBe(hidden);
  await s3.send(new DeleteObjectCommand({ ...place, VersionId }));
  await s3.send(new DeleteObjectCommand({ ...place, VersionId: marker.VersionId! }));
  expect((await s3.send(new ListObjectVersionsCommand({ Bucket: versioned }))).DeleteMarkers ?? []).toEqual([]);
  expect(await taken()).toBeLessThan(hidden - 1500);
  await allow(null);
  await s3.send(new DeleteObjectCommand({ ...place, Key: 'absent' }));
  expect((await s3.send(new ListObjectVersionsCommand({ Bucket: versioned }))).DeleteMarkers).toHaveLength(1);
});

test('a quota bounds bytes exactly, whatever their names and records take', async () => {
  await world.addNamespace('exact');
  const exact = await s3Client(world, { as: 'exact' });
  await exact.send(new CreateBucketCommand({ Bucket: 'exact' }));
  expect((await world.ask('PATCH', '/api/storage/quotas/exact', { json: { quota_bytes: 10 } })).status).toBe(200);
  const put = (name: string, Body: string) => exact.send(new PutObjectCommand({ Bucket: 'exact', Key: name, Body }));
  await put('a', '12345');
  expect(await refusal(put('b', '123456'))).toBe('QuotaExceeded');
  await put('b', '12345');
  expect(await refusal(put('c', '1'))).toBe('QuotaExceeded');
  await exact.send(new PutObjectCommand({ Bucket: 'exact', Key: 'c', ContentLength: 0 }));
  exact.destroy();
});

test('usage tells bytes of objects apart from what records count', async () => {
  const before = (await world.ask('GET', '/api/storage/usage', { as })).json<Record<string, number>>();
  await s3.send(new PutObjectCommand({ Bucket, Key: 'told', Body: '12345' }));
  const now = (await world.ask('GET', '/api/storage/usage', { as })).json<Record<string, number>>();
  expect(now['stored_bytes']! - before['stored_bytes']!).toBe(5);
  expect(now['record_bytes']! - before['record_bytes']!).toBeGreaterThan(3 * 512);
});
