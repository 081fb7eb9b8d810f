/** The AWS SDK from the registry, unmodified, with its default settings. */
import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  ListPartsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  GetObjectTaggingCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
  type ChecksumAlgorithm,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { refusal, s3Client } from '../support/s3.ts';
import { openWorld, type World } from '../support/world.ts';

const MiB = 1024 * 1024;
const Bucket = 'sdk';
const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

let world: World;
let s3: S3Client;
beforeAll(async () => {
  world = await openWorld();
  s3 = await s3Client(world);
  await s3.send(new CreateBucketCommand({ Bucket }));
});
afterAll(() => world.close());

const read = async (Key: string, more: Record<string, unknown> = {}): Promise<Buffer> =>
  Buffer.from(await (await s3.send(new GetObjectCommand({ Bucket, Key, ...more }))).Body!.transformToByteArray());

test.each(['WHEN_REQUIRED', 'WHEN_SUPPORTED'] as const)(
  'an SDK that validates answers %s works',
  async (responseChecksumValidation) => {
    const client = await s3Client(world, { responseChecksumValidation });
    await client.send(new PutObjectCommand({ Bucket, Key: 'validated', Body: 'some bytes' }));
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: 'validated' }));
    expect(await Body!.transformToString()).toBe('some bytes');
    expect((await client.send(new HeadObjectCommand({ Bucket, Key: 'validated' }))).ContentLength).toBe(10);
    expect((await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'validated' }))).KeyCount).toBe(1);
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'validated' }));
  },
);

describe('buckets', () => {
  test('are made, listed and deleted; made again by their owner they are there', async () => {
    await s3.send(new CreateBucketCommand({ Bucket: 'another-one' }));
    await s3.send(new CreateBucketCommand({ Bucket: 'another-one' }));
    await s3.send(new HeadBucketCommand({ Bucket: 'another-one' }));
    expect((await s3.send(new ListBucketsCommand({}))).Buckets!.map(({ Name }) => Name)).toEqual([
      'another-one',
      Bucket,
    ]);
    await s3.send(new DeleteBucketCommand({ Bucket: 'another-one' }));
    expect(await refusal(s3.send(new HeadBucketCommand({ Bucket: 'another-one' })))).toBe('404');
  });

  test('of others are theirs, and names are rules', async () => {
    const stranger = await s3Client(world, { as: await world.addNamespace('sdk-stranger') });
    expect(await refusal(stranger.send(new CreateBucketCommand({ Bucket })))).toBe('BucketAlreadyExists');
    expect(await refusal(stranger.send(new ListObjectsV2Command({ Bucket })))).toBe('AccessDenied');
    expect(await refusal(stranger.send(new GetObjectCommand({ Bucket, Key: 'x' })))).toBe('AccessDenied');
    expect((await stranger.send(new ListBucketsCommand({}))).Buckets ?? []).toEqual([]);
    for (const bad of ['ab', 'A-b', 'a_b', '-ab', 'ab-', 'a..b', '192.168.1.1', 'x'.repeat(64)])
      expect(await refusal(s3.send(new CreateBucketCommand({ Bucket: bad })))).toBe('InvalidBucketName');
  });
});

describe('objects', () => {
  test('bytes, strings and streams come back with all that was said of them', async () => {
    const content = randomBytes(300_000);
    const bodies = { bytes: content, stream: Readable.from([content.subarray(0, 100_000), content.subarray(100_000)]) };
    for (const [Key, Body] of Object.entries(bodies)) {
      const put = await s3.send(
        new PutObjectCommand({
          Bucket,
          Key,
          Body,
          ...(Key === 'stream' ? { ContentLength: content.length } : {}),
          Metadata: { colour: 'red' },
          ContentType: 'image/x-test',
          CacheControl: 'max-age=5',
        }),
      );
      expect({ ETag: put.ETag, 'type of CRC': typeof put.ChecksumCRC32 }).toEqual({
        ETag: `"${md5(content)}"`,
        'type of CRC': 'string',
      });
      const got = await s3.send(new GetObjectCommand({ Bucket, Key }));
      expect(got).toMatchObject({
        ContentLength: content.length,
        ContentType: 'image/x-test',
        CacheControl: 'max-age=5',
        Metadata: { colour: 'red' },
        ETag: put.ETag,
      });
      expect(got.ContentEncoding).toBeUndefined();
      expect(Buffer.from(await got.Body!.transformToByteArray()).equals(content)).toBe(true);
    }
  });

  test.each(['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as ChecksumAlgorithm[])(
    '%s is checked, kept and told',
    async (ChecksumAlgorithm) => {
      const Key = `checksum-${ChecksumAlgorithm}`;
      const name = `Checksum${ChecksumAlgorithm}` as const;
      const put = await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'hello', ChecksumAlgorithm }));
      const head = await s3.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
      expect(head[name]).toBe(put[name]);
      expect((await read(Key)).toString()).toBe('hello');
      expect(
        await refusal(s3.send(new PutObjectCommand({ Bucket, Key: `${Key}-bad`, Body: 'other', [name]: put[name] }))),
      ).toBe('BadDigest');
      expect(await refusal(s3.send(new HeadObjectCommand({ Bucket, Key: `${Key}-bad` })))).toBe('404');
    },
  );

  test('ranges and conditional requests work with the SDK', async () => {
    const { ETag } = await s3.send(new PutObjectCommand({ Bucket, Key: 'ranged', Body: '0123456789' }));
    expect((await read('ranged', { Range: 'bytes=2-4' })).toString()).toBe('234');
    expect((await read('ranged', { Range: 'bytes=-3' })).toString()).toBe('789');
    expect(await refusal(s3.send(new GetObjectCommand({ Bucket, Key: 'ranged', Range: 'bytes=10-' })))).toBe(
      'InvalidRange',
    );
    expect(await refusal(s3.send(new GetObjectCommand({ Bucket, Key: 'ranged', IfNoneMatch: ETag })))).toBe('304');
    expect(await refusal(s3.send(new GetObjectCommand({ Bucket, Key: 'ranged', IfMatch: '"other"' })))).toBe(
      'PreconditionFailed',
    );
    expect(await refusal(s3.send(new PutObjectCommand({ Bucket, Key: 'ranged', Body: 'x', IfNoneMatch: '*' })))).toBe(
      'PreconditionFailed',
    );
    expect(await refusal(s3.send(new PutObjectCommand({ Bucket, Key: 'ranged', Body: 'x', IfMatch: '"other"' })))).toBe(
      'PreconditionFailed',
    );
    await s3.send(new PutObjectCommand({ Bucket, Key: 'ranged', Body: 'new', IfMatch: ETag! }));
    expect((await read('ranged')).toString()).toBe('new');
  });

  test('of many conditional creations at once exactly one wins', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, at) =>
        refusal(s3.send(new PutObjectCommand({ Bucket, Key: 'raced', Body: String(at), IfNoneMatch: '*' }))),
      ),
    );
    expect(outcomes.filter((outcome) => outcome === undefined)).toHaveLength(1);
    expect(new Set(outcomes.filter((outcome) => outcome !== undefined))).toEqual(new Set(['PreconditionFailed']));
  });

  test('copies move no bytes and keep or replace what is said', async () => {
    await s3.send(
      new PutObjectCommand({ Bucket, Key: 'source ü', Body: 'copied', Metadata: { a: '1' }, Tagging: 'k=v' }),
    );
    await s3.send(
      new CopyObjectCommand({ Bucket, Key: 'kept', CopySource: `${Bucket}/${encodeURIComponent('source ü')}` }),
    );
    await s3.send(
      new CopyObjectCommand({
        Bucket,
        Key: 'replaced',
        CopySource: `${Bucket}/${encodeURIComponent('source ü')}`,
        MetadataDirective: 'REPLACE',
        Metadata: { b: '2' },
      }),
    );
    expect((await s3.send(new HeadObjectCommand({ Bucket, Key: 'kept' }))).Metadata).toEqual({ a: '1' });
    expect((await s3.send(new HeadObjectCommand({ Bucket, Key: 'replaced' }))).Metadata).toEqual({ b: '2' });
    expect((await s3.send(new GetObjectTaggingCommand({ Bucket, Key: 'kept' }))).TagSet).toEqual([
      { Key: 'k', Value: 'v' },
    ]);
    await s3.send(
      new PutObjectTaggingCommand({ Bucket, Key: 'kept', Tagging: { TagSet: [{ Key: 'n', Value: 'w' }] } }),
    );
    expect((await s3.send(new GetObjectTaggingCommand({ Bucket, Key: 'kept' }))).TagSet).toEqual([
      { Key: 'n', Value: 'w' },
    ]);
    expect((await read('replaced')).toString()).toBe('copied');
  });

  test('deletions, one and many, of what is not there too', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'gone', Body: 'x' }));
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'gone' }));
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'gone' }));
    expect(await refusal(s3.send(new GetObjectCommand({ Bucket, Key: 'gone' })))).toBe('NoSuchKey');
    for (const Key of ['d1', 'd2&<>']) await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));
    const { Deleted, Errors } = await s3.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'd1' }, { Key: 'd2&<>' }, { Key: 'd3' }] } }),
    );
    expect({ Deleted: Deleted!.map(({ Key }) => Key), Errors }).toEqual({
      Deleted: ['d1', 'd2&<>', 'd3'],
      Errors: undefined,
    });
  });

  test('are artifacts on content-addressed blobs, for every other face', async () => {
    const content = randomBytes(5000);
    await s3.send(new PutObjectCommand({ Bucket, Key: 'seen/by all', Body: content }));
    expect(
      (await world.ask('GET', `/artifacts/${encodeURIComponent(`${Bucket}/seen/by all`)}/data`)).bytes.equals(content),
    ).toBe(true);
    const before = (await world.core.totals()).bytes;
    await s3.send(new PutObjectCommand({ Bucket, Key: 'again', Body: content }));
    await world.push('the same', content);
    expect((await world.core.totals()).bytes).toBe(before);
    const { uuid } = await world.get<{ uuid: string }>('GET', `/artifacts/${encodeURIComponent(`${Bucket}/again`)}`);
    await world.get('DELETE', `/artifacts/${uuid}`);
    expect(await refusal(s3.send(new HeadObjectCommand({ Bucket, Key: 'again' })))).toBe('404');
    expect((await read('seen/by all')).equals(content)).toBe(true);
  });
});

describe('multipart', () => {
  test('lib-storage sends a large stream of unknown length', async () => {
    const content = randomBytes(17 * MiB + 3);
    const Body = Readable.from(
      (function* () {
        for (let at = 0; at < content.length; at += MiB) yield content.subarray(at, at + MiB);
      })(),
    );
    const done = await new Upload({
      client: s3,
      params: { Bucket, Key: 'large', Body },
      partSize: 5 * MiB,
      queueSize: 4,
    }).done();
    expect(done.ETag).toMatch(/^"[0-9a-f]{32}-4"$/);
    expect((await read('large')).equals(content)).toBe(true);
    expect((await read('large', { PartNumber: 2 })).equals(content.subarray(5 * MiB, 10 * MiB))).toBe(true);
    const { ObjectParts } = await s3.send(
      new GetObjectAttributesCommand({ Bucket, Key: 'large', ObjectAttributes: ['ObjectParts', 'ETag'] }),
    );
    expect(ObjectParts?.TotalPartsCount).toBe(4);
  });

  test('parts in any order, sent again, copied, listed; completed twice', async () => {
    const [one, two] = [randomBytes(5 * MiB), randomBytes(100)];
    const { UploadId } = await s3.send(
      new CreateMultipartUploadCommand({ Bucket, Key: 'parts', Metadata: { m: 'x' } }),
    );
    const part = { Bucket, Key: 'parts', UploadId };
    const second = await s3.send(new UploadPartCommand({ ...part, PartNumber: 2, Body: two }));
    await s3.send(new UploadPartCommand({ ...part, PartNumber: 1, Body: 'to be replaced' }));
    await s3.send(new PutObjectCommand({ Bucket, Key: 'part-source', Body: Buffer.concat([Buffer.from('xx'), one]) }));
    const first = await s3.send(
      new UploadPartCopyCommand({
        ...part,
        PartNumber: 1,
        CopySource: `${Bucket}/part-source`,
        CopySourceRange: `bytes=2-${one.length + 1}`,
      }),
    );
    expect(
      (await s3.send(new ListPartsCommand(part))).Parts!.map(({ PartNumber, Size }) => [PartNumber, Size]),
    ).toEqual([
      [1, one.length],
      [2, two.length],
    ]);
    expect((await s3.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads!.map(({ Key }) => Key)).toEqual([
      'parts',
    ]);
    const Parts = [
      { PartNumber: 1, ETag: first.CopyPartResult!.ETag },
      { PartNumber: 2, ETag: second.ETag },
    ];
    expect(
      await refusal(
        s3.send(new CompleteMultipartUploadCommand({ ...part, MultipartUpload: { Parts: Parts.toReversed() } })),
      ),
    ).toBe('InvalidPartOrder');
    expect(
      await refusal(
        s3.send(
          new CompleteMultipartUploadCommand({ ...part, MultipartUpload: { Parts: [{ PartNumber: 1, ETag: '"0"' }] } }),
        ),
      ),
    ).toBe('InvalidPart');
    const done = await s3.send(new CompleteMultipartUploadCommand({ ...part, MultipartUpload: { Parts } }));
    const again = await s3.send(new CompleteMultipartUploadCommand({ ...part, MultipartUpload: { Parts } }));
    expect({ ETag: again.ETag, Location: again.Location }).toEqual({ ETag: done.ETag, Location: done.Location });
    const expected = createHash('md5')
      .update(Buffer.from(md5(one) + md5(two), 'hex'))
      .digest('hex');
    expect(done.ETag).toBe(`"${expected}-2"`);
    expect((await read('parts')).equals(Buffer.concat([one, two]))).toBe(true);
    expect((await s3.send(new HeadObjectCommand({ Bucket, Key: 'parts' }))).Metadata).toEqual({ m: 'x' });
    expect(await world.get('GET', '/upload')).toEqual([]);
  });

  test('a completion that fails leaves the parts, and the next may name others', async () => {
    const [one, two] = [randomBytes(5 * MiB), randomBytes(10)];
    await s3.send(new PutObjectCommand({ Bucket, Key: 'contended', Body: 'there' }));
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'contended' }));
    const part = { Bucket, Key: 'contended', UploadId };
    const Parts: { PartNumber: number; ETag: string | undefined }[] = [];
    for (const [at, Body] of [one, two].entries())
      Parts.push({
        PartNumber: at + 1,
        ETag: (await s3.send(new UploadPartCommand({ ...part, PartNumber: at + 1, Body }))).ETag,
      });
    const complete = (named: typeof Parts, more: Record<string, unknown> = {}): Promise<string | undefined> =>
      refusal(s3.send(new CompleteMultipartUploadCommand({ ...part, MultipartUpload: { Parts: named }, ...more })));
    expect(await complete(Parts, { IfNoneMatch: '*' })).toBe('PreconditionFailed');
    const other = await s3.send(new UploadPartCommand({ ...part, PartNumber: 2, Body: 'other end' }));
    expect(await Promise.all([1, 2, 3].map(() => complete([Parts[0]!, { PartNumber: 2, ETag: other.ETag }])))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect((await read('contended')).equals(Buffer.concat([one, Buffer.from('other end')]))).toBe(true);
    expect(await world.get('GET', '/upload')).toEqual([]);
  });

  test('what is aborted is gone', async () => {
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'aborted' }));
    const part = { Bucket, Key: 'aborted', UploadId };
    await s3.send(new UploadPartCommand({ ...part, PartNumber: 1, Body: 'tiny' }));
    await s3.send(new AbortMultipartUploadCommand(part));
    expect(await refusal(s3.send(new ListPartsCommand(part)))).toBe('NoSuchUpload');
    expect(await world.get('GET', '/upload')).toEqual([]);
  });

  test('U28: that nobody goes on with is swept after a week, and not before', async () => {
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'left' }));
    await s3.send(new UploadPartCommand({ Bucket, Key: 'left', UploadId, PartNumber: 1, Body: 'x' }));
    const day = 86_400_000;
    world.clock.move(6 * day);
    await world.core.sweep.run();
    world.clock.move(-6 * day);
    expect((await s3.send(new ListPartsCommand({ Bucket, Key: 'left', UploadId }))).Parts).toHaveLength(1);
    world.clock.move(8 * day);
    await world.core.sweep.run();
    world.clock.move(-8 * day);
    expect(await refusal(s3.send(new ListPartsCommand({ Bucket, Key: 'left', UploadId })))).toBe('NoSuchUpload');
    expect({
      'get GET /upload': await world.get('GET', '/upload'),
      readdir: await readdir(join(world.folder, 'uploads')),
    }).toEqual({ 'get GET /upload': [], readdir: [] });
  });
});

describe('versions', () => {
  test('are kept once that is switched on, and come back by id', async () => {
    const Bucket = 'versioned';
    await s3.send(new CreateBucketCommand({ Bucket }));
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'before' }));
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
    const one = await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'one' }));
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'two' }));
    const marked = await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }));
    expect(marked.DeleteMarker).toBe(true);
    expect(await refusal(s3.send(new GetObjectCommand({ Bucket, Key: 'k' })))).toBe('NoSuchKey');
    const { Versions, DeleteMarkers } = await s3.send(new ListObjectVersionsCommand({ Bucket }));
    expect({
      'Versions length': Versions!.length,
      VersionId: Versions!.at(-1)!.VersionId,
      'DeleteMarkers length': DeleteMarkers!.length,
    }).toEqual({ 'Versions length': 3, VersionId: 'null', 'DeleteMarkers length': 1 });
    const text = async (VersionId: string): Promise<string> =>
      (await s3.send(new GetObjectCommand({ Bucket, Key: 'k', VersionId }))).Body!.transformToString();
    expect({ 'text one.VersionId': await text(one.VersionId!), 'text null': await text('null') }).toEqual({
      'text one.VersionId': 'one',
      'text null': 'before',
    });
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k', VersionId: marked.VersionId }));
    expect(await (await s3.send(new GetObjectCommand({ Bucket, Key: 'k' }))).Body!.transformToString()).toBe('two');
    expect(await refusal(s3.send(new DeleteBucketCommand({ Bucket })))).toBe('BucketNotEmpty');
  });
});

describe('keys', () => {
  test('R8: do what they are for, in the buckets that they are for', async () => {
    await s3.send(new CreateBucketCommand({ Bucket: 'other-bucket' }));
    await s3.send(new PutObjectCommand({ Bucket, Key: 'readable', Body: 'r' }));
    const reader = await s3Client(world, { wish: { buckets: [Bucket], permissions: { read: true } } });
    expect(await (await reader.send(new GetObjectCommand({ Bucket, Key: 'readable' }))).Body!.transformToString()).toBe(
      'r',
    );
    expect((await reader.send(new ListBucketsCommand({}))).Buckets!.map(({ Name }) => Name)).toEqual([Bucket]);
    for (const command of [
      new PutObjectCommand({ Bucket, Key: 'x', Body: 'x' }),
      new DeleteObjectCommand({ Bucket, Key: 'readable' }),
      new CreateMultipartUploadCommand({ Bucket, Key: 'x' }),
      new ListObjectsV2Command({ Bucket: 'other-bucket' }),
      new CreateBucketCommand({ Bucket: 'third-bucket' }),
      new DeleteBucketCommand({ Bucket: 'other-bucket' }),
    ])
      expect(await refusal(reader.send(command as GetObjectCommand))).toBe('AccessDenied');
    const writer = await s3Client(world, { wish: { buckets: [Bucket], permissions: { write: true } } });
    await writer.send(new PutObjectCommand({ Bucket, Key: 'written', Body: 'w' }));
    expect(await refusal(writer.send(new GetObjectCommand({ Bucket, Key: 'written' })))).toBe('AccessDenied');
    expect(
      await refusal(writer.send(new CopyObjectCommand({ Bucket, Key: 'copied', CopySource: `${Bucket}/readable` }))),
    ).toBe('AccessDenied');
  });
});
