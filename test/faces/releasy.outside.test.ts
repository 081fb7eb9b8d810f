/** Releases with a foreign S3 store, for which another Stowage server stands in. */
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { openReleasy, put, said, sha256Of, type Releasy } from '../support/releases.ts';
import { refusal, s3Client } from '../support/s3.ts';
import { openWorld, type World } from '../support/world.ts';

const Bucket = 'kept-elsewhere';

let store: World;
let s3: S3Client;
let releasy: Releasy;
beforeAll(async () => {
  store = await openWorld();
  s3 = await s3Client(store);
  const { accessKeyId, secretAccessKey } = await store.accessKey();
  await s3.send(new CreateBucketCommand({ Bucket }));
  releasy = await openReleasy({
    RELEASY_ARTIFACT_BUCKET: Bucket,
    RELEASY_ARTIFACT_ENDPOINT: store.s3Url,
    RELEASY_ARTIFACT_REGION: 'eu-central-1',
    RELEASY_ARTIFACT_ACCESS_KEY: accessKeyId,
    RELEASY_ARTIFACT_SECRET_KEY: secretAccessKey,
    RELEASY_ARTIFACT_PATH_STYLE: 'true',
  });
});
afterAll(async () => {
  await releasy.close();
  await store.close();
});

const bytes = Buffer.alloc(200_000, 'elsewhere');
const head = (Key: string): Promise<string | undefined> => refusal(s3.send(new HeadObjectCommand({ Bucket, Key })));

test('a file goes there and comes from there, and nothing of it lies here', async () => {
  const { release, slot } = await releasy.published(bytes);
  expect({
    'upload_url startsWith store.s3Url/Bucket/releases/': slot.upload_url.startsWith(
      `${store.s3Url}/${Bucket}/releases/`,
    ),
    tus_url: slot.tus_url,
    head: await head(slot.object_key),
  }).toEqual({ 'upload_url startsWith store.s3Url/Bucket/releases/': true, tus_url: undefined, head: undefined });
  const { key } = await releasy.customer();
  const url = await releasy.downloadUrl(key, slot.artifact_id);
  const resolved = await fetch(url, { redirect: 'manual' });
  expect({
    status: resolved.status,
    'location startsWith store.s3Url': resolved.headers.get('location')!.startsWith(store.s3Url),
  }).toEqual({ status: 302, 'location startsWith store.s3Url': true });
  const part = await fetch(url, { headers: { Range: 'bytes=199000-' } });
  expect({
    status: part.status,
    byteLength: (await part.arrayBuffer()).byteLength,
    'content-disposition': part.headers.get('content-disposition'),
  }).toEqual({ status: 206, byteLength: 1000, 'content-disposition': 'attachment; filename="app.tar.gz"' });
  expect((await releasy.world.core.totals()).bytes).toBe(0);
  const [artifact] = (await releasy.get<{ artifacts: Record<string, unknown>[] }>('GET', `/v1/releases/${release.id}`))
    .artifacts;
  expect({ checksum: artifact!['checksum'], sha512: artifact!['sha512'] }).toEqual({
    checksum: sha256Of(bytes),
    sha512: undefined,
  });
  expect((await releasy.ask('GET', `/v1/releases/${release.id}/SHA256SUMS`)).bytes.toString()).toBe(
    `${sha256Of(bytes)}  app.tar.gz\n`,
  );
  expect(said(await releasy.ask('GET', `/v1/releases/${release.id}/SHA512SUMS`)).status).toBe(404);
});

test('what is there is held against what it is to be', async () => {
  const { id } = await releasy.release();
  const slot = await releasy.slot(id);
  expect(said(await releasy.register(id, slot, bytes)).code).toBe('object_missing');
  await put(slot.upload_url, bytes);
  expect({
    'wrong size': said(await releasy.register(id, slot, bytes, { size: 1 })).code,
    'wrong checksum': said(await releasy.register(id, slot, bytes, { checksum: '0'.repeat(64) })).code,
  }).toEqual({
    'wrong size': 'size_mismatch',
    'wrong checksum': 'checksum_mismatch',
  });
  expect((await releasy.register(id, slot, bytes)).status).toBe(200);
  expect((await releasy.register(id, slot, bytes)).status).toBe(409);
});

test('a checksum that the store has is believed, and one that it made of parts is not', async () => {
  const { id } = await releasy.release();
  const slot = await releasy.slot(id);
  await s3.send(new PutObjectCommand({ Bucket, Key: slot.object_key, Body: bytes, ChecksumAlgorithm: 'SHA256' }));
  expect((await releasy.register(id, slot, bytes)).status).toBe(200);
});

test('another object in its place is not served, and a version is', async () => {
  const { slot } = await releasy.published('as registered');
  const { key } = await releasy.customer();
  const url = await releasy.downloadUrl(key, slot.artifact_id);
  await s3.send(new PutObjectCommand({ Bucket, Key: slot.object_key, Body: 'swapped' }));
  expect((await fetch(url)).status).toBe(500);
  await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
  const versioned = await releasy.published('a version');
  const versionUrl = await releasy.downloadUrl(key, versioned.slot.artifact_id);
  await s3.send(new PutObjectCommand({ Bucket, Key: versioned.slot.object_key, Body: 'swapped' }));
  await s3.send(new DeleteObjectCommand({ Bucket, Key: versioned.slot.object_key }));
  expect(await (await fetch(versionUrl)).text()).toBe('a version');
  await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Suspended' } }));
});

test('deletion takes the object away there', async () => {
  const { id } = await releasy.release();
  const slot = await releasy.artifact(id, bytes);
  expect((await releasy.ask('DELETE', `/v1/releases/${id}`)).status).toBe(204);
  const { Versions = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket, Prefix: slot.object_key }));
  expect(Versions).toEqual([]);
});

test('a bucket in the host name is where stores want it', async () => {
  const named = await openReleasy({
    RELEASY_ARTIFACT_BUCKET: Bucket,
    RELEASY_ARTIFACT_REGION: 'eu-central-1',
    RELEASY_ARTIFACT_ACCESS_KEY: 'AKIAEXAMPLE',
    RELEASY_ARTIFACT_SECRET_KEY: 'a-secret-of-somebody',
  });
  const { id } = await named.release();
  const url = new URL((await named.slot(id)).upload_url);
  expect({
    host: url.host,
    'pathname startsWith /releases/app/': url.pathname.startsWith('/releases/app/'),
    'X-Amz-SignedHeaders': url.searchParams.get('X-Amz-SignedHeaders'),
  }).toEqual({
    host: `${Bucket}.s3.eu-central-1.amazonaws.com`,
    'pathname startsWith /releases/app/': true,
    'X-Amz-SignedHeaders': 'host',
  });
  await named.close();
});

test('a store that does not answer is no reason to register', async () => {
  const gone = await openReleasy({
    RELEASY_ARTIFACT_BUCKET: Bucket,
    RELEASY_ARTIFACT_ENDPOINT: 'http://127.0.0.1:1',
    RELEASY_ARTIFACT_REGION: 'x',
    RELEASY_ARTIFACT_ACCESS_KEY: 'AKIAEXAMPLE',
    RELEASY_ARTIFACT_SECRET_KEY: 'a-secret-of-somebody',
    RELEASY_ARTIFACT_PATH_STYLE: 'yes',
  });
  const { id } = await gone.release();
  expect(said(await gone.register(id, await gone.slot(id), bytes))).toEqual({
    status: 503,
    code: 'service_unavailable',
    message: 'artifact storage does not answer',
  });
  await gone.close();
});
