/** A slot can be filled through every upload protocol, and later changes of the object do not affect the release. */
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { randomBytes } from 'node:crypto';
import { Upload as TusUpload } from 'tus-js-client';
import { openReleasy, put, said, sha256Of, type Releasy, type SlotSeen } from '../support/releases.ts';
import { refusal, s3Client } from '../support/s3.ts';

const bytes = randomBytes(11 * 1024 * 1024);
const half = 4 * 1024 * 1024;

let releasy: Releasy;
let s3: S3Client;
beforeAll(async () => {
  releasy = await openReleasy({ STOWAGE_BLOB_GRACE: '0s' });
  s3 = await s3Client(releasy.world);
});
afterAll(() => releasy.close());

const capabilityOf = (slot: SlotSeen): string => new URL(slot.resumable_url).search;

/** Every way to fill a slot. */
const ways: Readonly<Record<string, (slot: SlotSeen) => Promise<void>>> = {
  'a signed PUT': async (slot) => {
    expect(await put(slot.upload_url, bytes)).toBe(200);
  },
  'a PUT by an access key': async (slot) => {
    await s3.send(
      new PutObjectCommand({ Bucket: 'releases', Key: slot.object_key, Body: bytes, ChecksumAlgorithm: 'SHA256' }),
    );
  },
  parts: async (slot) => {
    await new Upload({
      client: s3,
      params: { Bucket: 'releases', Key: slot.object_key, Body: bytes },
      partSize: 5 * 1024 * 1024,
    }).done();
  },
  'one request of the draft': async (slot) => {
    const answer = await fetch(slot.resumable_url, { method: 'PUT', body: bytes });
    expect({ status: answer.status, body: await answer.json() }).toEqual({
      status: 201,
      body: expect.objectContaining({ size: bytes.length }),
    });
  },
  'the draft, cut off and gone on with': async (slot) => {
    const begun = await fetch(slot.resumable_url, {
      method: 'POST',
      headers: { 'Upload-Complete': '?0', 'Upload-Draft-Interop-Version': '6' },
      body: bytes.subarray(0, half),
    });
    expect(begun.status).toBe(201);
    const place = `${releasy.world.url}/upload/${slot.upload_uuid}${capabilityOf(slot)}`;
    const stands = await fetch(place, { method: 'HEAD' });
    expect(stands.headers.get('upload-offset')).toBe(String(half));
    const rest = await fetch(place, {
      method: 'PATCH',
      headers: { 'Upload-Complete': '?1', 'Upload-Offset': String(half), 'Content-Type': 'application/partial-upload' },
      body: bytes.subarray(half),
    });
    expect(rest.status).toBe(200);
  },
  'tus, with a restart in between': async (slot) => {
    const headers = { 'Tus-Resumable': '1.0.0' };
    const begun = await fetch(slot.tus_url, {
      method: 'POST',
      headers: { ...headers, 'Upload-Length': String(bytes.length) },
    });
    const append = (at: number, to: number): Promise<Response> =>
      fetch(`${releasy.world.url}${begun.headers.get('location')!}`, {
        method: 'PATCH',
        headers: { ...headers, 'Upload-Offset': String(at), 'Content-Type': 'application/offset+octet-stream' },
        body: bytes.subarray(at, to),
      });
    expect((await append(0, half)).status).toBe(204);
    await releasy.world.restart();
    s3 = await s3Client(releasy.world);
    expect((await append(half, bytes.length)).status).toBe(204);
  },
  'a tus client': async (slot) => {
    await new Promise<void>((resolve, reject) => {
      new TusUpload(bytes, {
        endpoint: slot.tus_url,
        chunkSize: half,
        onSuccess: () => resolve(),
        onError: reject,
      }).start();
    });
  },
};

describe.each(Object.keys(ways))('a slot that is filled by %s', (way) => {
  test('is registered, fetched, and serves the same whatever becomes of its object', async () => {
    const release = await releasy.release();
    const slot = await releasy.slot(release.id);
    await ways[way]!(slot);
    const head = await s3.send(new HeadObjectCommand({ Bucket: 'releases', Key: slot.object_key }));
    expect(head.ContentLength).toBe(bytes.length);
    expect((await releasy.register(release.id, slot, bytes)).status).toBe(200);
    await releasy.get('POST', `/v1/releases/${release.id}/publish`);
    const { key, keyId } = await releasy.customer();
    const url = await releasy.downloadUrl(key, slot.artifact_id);
    const serves = async (): Promise<string> => sha256Of(Buffer.from(await (await fetch(url)).arrayBuffer()));
    expect(await serves()).toBe(sha256Of(bytes));

    await s3.send(new PutObjectCommand({ Bucket: 'releases', Key: slot.object_key, Body: 'swapped' }));
    expect({
      serves: await serves(),
      ContentLength: (await s3.send(new GetObjectCommand({ Bucket: 'releases', Key: slot.object_key }))).ContentLength,
    }).toEqual({ serves: sha256Of(bytes), ContentLength: 7 });
    await s3.send(new DeleteObjectCommand({ Bucket: 'releases', Key: slot.object_key }));
    await s3.send(new DeleteObjectCommand({ Bucket: 'releases', Key: slot.object_key, VersionId: slot.artifact_id }));
    releasy.world.clock.move(2000);
    await releasy.world.core.sweep.run();
    expect({
      serves: await serves(),
      'HeadObject Bucket releases Key slot.object_key': await refusal(
        s3.send(new HeadObjectCommand({ Bucket: 'releases', Key: slot.object_key })),
      ),
    }).toEqual({ serves: sha256Of(bytes), 'HeadObject Bucket releases Key slot.object_key': '404' });
    // A restart has moved the port that the URL is signed for.
    const stays = slot.upload_url.startsWith(releasy.world.s3Url);
    if (stays)
      expect({ put: await put(slot.upload_url, 'later'), serves: await serves() }).toEqual({
        put: 200,
        serves: sha256Of(bytes),
      });

    await releasy.get('POST', '/v1/admin/keys/revoke', { api_key_id: keyId });
    expect((await fetch(url)).status).toBe(404);
    expect((await releasy.ask('DELETE', `/v1/releases/${release.id}`)).status).toBe(204);
    if (stays) expect(await put(slot.upload_url, 'too late')).toBe(403);
  }, 30_000);
});

describe('a capability for a slot', () => {
  test('is for one upload of that key, and ends with the release', async () => {
    const release = await releasy.release();
    const [slot, other] = [await releasy.slot(release.id), await releasy.slot(release.id)];
    const elsewhere = slot.resumable_url.replace(
      encodeURIComponent(slot.object_key),
      encodeURIComponent(other.object_key),
    );
    expect((await fetch(elsewhere, { method: 'PUT', body: 'x' })).status).toBe(403);
    expect((await fetch(slot.resumable_url, { method: 'PUT', body: 'x' })).status).toBe(201);
    expect((await fetch(slot.resumable_url, { method: 'PUT', body: 'y' })).status).toBe(409);
    for (const path of ['/upload', '/artifacts', '/blobs'])
      expect((await fetch(`${releasy.world.url}${path}${capabilityOf(slot)}`)).status).toBe(401);
    await releasy.ask('DELETE', `/v1/releases/${release.id}`);
    expect((await fetch(other.resumable_url, { method: 'PUT', body: 'x' })).status).toBe(401);
  });

  test('that is not used up is given up with its release, bytes and all', async () => {
    const release = await releasy.release();
    const slot = await releasy.slot(release.id);
    await fetch(slot.tus_url, { method: 'POST', headers: { 'Tus-Resumable': '1.0.0', 'Upload-Length': '10' } });
    await releasy.ask('DELETE', `/v1/releases/${release.id}`);
    expect(
      await releasy.world.core.uploads.list({ namespace: 'releasy', credential: 'test' }, { after: null, limit: 10 }),
    ).toEqual([]);
  });
});

test('a product whose name a path would lose goes up and comes down', async () => {
  const release = await releasy.release('..', '.');
  const slot = await releasy.slot(release.id, '..', '..');
  expect(slot.object_key).toBe(`releases/.././../${slot.artifact_id}/..`);
  expect(
    (
      await fetch(slot.upload_url, {
        method: 'PUT',
        body: 'dots',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      })
    ).status,
  ).toBe(201);
  expect((await releasy.register(release.id, slot, 'dots', { platform: '..' })).status).toBe(200);
  await releasy.get('POST', `/v1/releases/${release.id}/publish`);
  const { key } = await releasy.customer('..');
  const got = await fetch(await releasy.downloadUrl(key, slot.artifact_id));
  expect({ text: await got.text(), 'content-disposition': got.headers.get('content-disposition') }).toEqual({
    text: 'dots',
    'content-disposition': `attachment; filename="${slot.artifact_id}"`,
  });
});

test('parts that never became whole are nothing to register', async () => {
  const release = await releasy.release();
  const slot = await releasy.slot(release.id);
  const upload = new Upload({
    client: s3,
    params: { Bucket: 'releases', Key: slot.object_key, Body: bytes },
    partSize: 5 * 1024 * 1024,
    leavePartsOnError: true,
  });
  const begun = new Promise<string>((resolve) => upload.on('httpUploadProgress', () => resolve(upload.uploadId!)));
  const ended = upload.done().catch(() => undefined);
  const id = await begun;
  await upload.abort();
  await ended;
  expect(said(await releasy.register(release.id, slot, bytes)).code).toBe('object_missing');
  await s3
    .send(new AbortMultipartUploadCommand({ Bucket: 'releases', Key: slot.object_key, UploadId: id }))
    .catch(() => undefined);
});

test('a bucket that keeps versions keeps none of a deleted release', async () => {
  const { world } = releasy;
  const release = await releasy.release();
  await releasy.slot(release.id);
  const who = { namespace: 'releasy', credential: 'test' };
  await world.core.buckets.change(await world.core.buckets.allow(who, 'releases', 'admin'), { versioning: 'enabled' });
  const slot = await releasy.slot(release.id);
  for (const text of ['first', 'second']) await put(slot.upload_url, text);
  expect((await releasy.register(release.id, slot, 'second')).status).toBe(200);
  await s3.send(new DeleteObjectCommand({ Bucket: 'releases', Key: slot.object_key }));
  await releasy.ask('DELETE', `/v1/releases/${release.id}`);
  const left = await world.core.objects.versions(await world.core.buckets.allow(who, 'releases', 'list'), {
    prefix: slot.object_key,
    after: null,
    limit: 10,
    behind: null,
  });
  expect(left).toEqual([]);
  expect((await s3.send(new ListObjectsV2Command({ Bucket: 'releases', Prefix: 'nothing' }))).Contents ?? []).toEqual(
    [],
  );
});
