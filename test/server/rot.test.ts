/** Bytes that are unreadable, wrongly quarantined, or deleted while they are read. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, open, readdir, rename, rm, stat, symlink, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { Integrity } from '../../src/core/bytes/integrity.ts';
import { Disk } from '../../src/engines/embedded/disk.ts';
import { checkStore } from '../../src/server/index.ts';
import { s3Client } from '../support/s3.ts';
import { Hasher } from '../../src/engines/embedded/bytes/hasher.ts';
import { openWorld, type World } from '../support/world.ts';

const MiB = 1024 * 1024;
const Bucket = 'kept';
const month = 31 * 86_400_000;
/** How a client sees a connection that breaks. */
const broken = { code: 'ECONNRESET' };

let world: World;
let s3: S3Client;
beforeEach(async () => {
  world = await openWorld({ env: { STOWAGE_BLOB_GRACE: '0s' } });
  s3 = await s3Client(world);
  await s3.send(new CreateBucketCommand({ Bucket }));
});
afterEach(async () => {
  s3.destroy();
  await world.close();
});

async function put(Key: string, size: number): Promise<Buffer> {
  const Body = randomBytes(size);
  await s3.send(new PutObjectCommand({ Bucket, Key, Body }));
  return Body;
}

/** An object in parts of 5 MiB. */
async function putJoined(Key: string, size: number): Promise<Buffer> {
  const bytes = randomBytes(size);
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const Parts: { ETag: string | undefined; PartNumber: number }[] = [];
  for (let from = 0; from < size; from += 5 * MiB) {
    const part = { Bucket, Key, UploadId, PartNumber: Parts.length + 1 };
    const { ETag } = await s3.send(new UploadPartCommand({ ...part, Body: bytes.subarray(from, from + 5 * MiB) }));
    Parts.push({ ETag, PartNumber: part.PartNumber });
  }
  await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }));
  return bytes;
}

async function get(Key: string): Promise<Buffer> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
  return Buffer.from(await Body!.transformToByteArray());
}

const sha512 = (bytes: Uint8Array): string => createHash('sha512').update(bytes).digest('hex');

/** Where a blob's file or folder is. */
async function placeOf(bytes: Uint8Array): Promise<string> {
  const fan = join(world.folder, 'blobs', sha512(bytes).slice(0, 2));
  return join(
    fan,
    (await readdir(fan)).find((name) => name.startsWith(sha512(bytes)))!,
  );
}

async function flip(place: string): Promise<void> {
  const path = (await stat(place)).isDirectory() ? join(place, (await readdir(place))[0]!) : place;
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, 5000);
  byte[0]! ^= 1;
  await file.write(byte, 0, 1, 5000);
  await file.close();
}

async function putAside(bytes: Uint8Array): Promise<void> {
  const integrity = world.core.integrity as Integrity;
  const content = { sha512: sha512(bytes), size: bytes.byteLength, address: (await placeOf(bytes)).split('/').at(-1)! };
  expect(await integrity.condemn(content as Parameters<typeof integrity.condemn>[0], 'rotten', 'scrub')).toBe(true);
}

const quarantined = (): Promise<string[]> => readdir(join(world.folder, 'quarantine'));

async function reopen(): Promise<void> {
  await world.start();
  s3.destroy();
  s3 = await s3Client(world);
}

test('check --repair puts right bytes back from quarantine, and leaves rotten ones there', async () => {
  const [file, joined] = [await put('file', 100_000), await putJoined('joined', 5 * MiB + 1000)];
  const [rotten, rottenJoined] = [await put('rotten', 100_000), await putJoined('rotten-joined', 5 * MiB + 1000)];
  for (const bytes of [rotten, rottenJoined]) await flip(await placeOf(bytes));
  for (const bytes of [file, joined, rotten, rottenJoined]) await putAside(bytes);
  expect(await quarantined()).toHaveLength(4);
  await expect(get('file')).rejects.toThrow();
  await world.server.close();

  expect((await checkStore(world.folder, { readData: false })).faults).toHaveLength(4);
  expect(await checkStore(world.folder, { readData: false, repair: true })).toMatchObject({
    repaired: 2,
    faults: [expect.anything(), expect.anything()],
  });
  await reopen();
  expect((await get('file')).equals(file)).toBe(true);
  expect((await get('joined')).equals(joined)).toBe(true);
  await expect(get('rotten')).rejects.toThrow();
  await expect(get('rotten-joined')).rejects.toThrow();
  expect((await quarantined()).map((name) => name.slice(0, 128)).sort()).toEqual(
    [rotten, rottenJoined].map(sha512).sort(),
  );
  await world.server.close();
  expect(await checkStore(world.folder, { readData: true, repair: true })).toMatchObject({ repaired: 0 });
});

test('a scrub and a download that cannot read bytes leave them alone', async () => {
  const bytes = await put('unreadable', 100_000);
  const place = await placeOf(bytes);
  await rename(place, `${place}.aside`);
  // A link to itself cannot be opened: ELOOP.
  await symlink(place, place);
  world.clock.move(month);
  expect(await world.core.scrub.run()).toMatchObject({ checked: 0, rotten: 0, missing: 0, unreadable: 1 });
  world.clock.move(-month);
  expect(
    await get('unreadable').catch((error: { $metadata: { httpStatusCode: number } }) => error.$metadata.httpStatusCode),
  ).toBe(503);
  expect(await quarantined()).toEqual([]);
  await unlink(place);
  await rename(`${place}.aside`, place);
  world.clock.move(month);
  expect(await world.core.scrub.run()).toMatchObject({ checked: 1, rotten: 0, missing: 0, unreadable: 0 });
  world.clock.move(-month);
  expect((await get('unreadable')).equals(bytes)).toBe(true);
});

test('a joined object that is deleted and swept away under a download comes whole, and is gone after it', async () => {
  const bytes = await putJoined('joined', 40 * MiB);
  const place = await placeOf(bytes);
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key: 'joined' }));
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'joined' }));
  world.clock.move(60_000);
  await world.core.sweep.run();
  expect((await stat(place)).isDirectory()).toBe(true);
  expect(sha512(await Body!.transformToByteArray())).toBe(sha512(bytes));
  await world.server.close();
  await expect(stat(place)).rejects.toThrow('ENOENT');
  await world.start();
});

test.each(['WHEN_SUPPORTED', 'WHEN_REQUIRED'] as const)(
  'a stock client is told by an error that rot has cut a body; checksums %s',
  async (checksums) => {
    const client = await s3Client(world, {
      requestChecksumCalculation: checksums,
      responseChecksumValidation: checksums,
    });
    try {
      // Bytes of one block are known to be wrong before the first of them is sent.
      for (const [size, error] of [
        [200_000, { name: 'InternalError' }],
        [3 * MiB, broken],
        [20 * MiB, broken],
      ] as const) {
        const Key = `rotten-${size}`;
        await flip(await placeOf(await put(Key, size)));
        const read = async (): Promise<unknown> =>
          (await client.send(new GetObjectCommand({ Bucket, Key }))).Body!.transformToByteArray();
        await expect(read()).rejects.toMatchObject(error);
      }
    } finally {
      client.destroy();
    }
  },
);

test('folders that are synced once are not kept in mind', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'stowage-folders-'));
  const { set } = Map.prototype;
  const keepers = new Set<Map<unknown, unknown>>();
  Map.prototype.set = function (this: Map<unknown, unknown>, key: unknown, value: unknown) {
    if (key === folder) keepers.add(this);
    return set.call(this, key, value);
  } as typeof set;
  try {
    const disk = new Disk(true, () => undefined);
    await Promise.all([disk.syncFolder(folder), disk.syncFolder(folder), disk.syncFolder(folder)]);
    expect(keepers.size).toBe(1);
    expect([...keepers].map((map) => map.size)).toEqual([0]);
  } finally {
    Map.prototype.set = set;
    await rm(folder, { recursive: true });
  }
});

test('a whole read right after the first one compares the CRC-32, and does not ask the sha512 again', async () => {
  const upload = await world.upload(randomBytes(MiB));
  await world.ask('POST', '/artifacts/upload/read-twice', { json: { upload_uuid: upload } });
  const asked: (readonly string[])[] = [];
  const { check } = Hasher.prototype;
  Hasher.prototype.check = function (this: Hasher, algorithms) {
    asked.push(algorithms);
    return check.call(this, algorithms);
  };
  try {
    for (let n = 0; n < 3; n += 1)
      expect((await world.ask('GET', '/artifacts/read-twice/data')).bytes.byteLength).toBe(MiB);
  } finally {
    Hasher.prototype.check = check;
  }
  expect(asked).toEqual([['sha512', 'crc32']]);
});
