/** S3 checksums over the wire: every declared checksum is verified, or the request is refused. */
import { createHash, randomBytes } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectAttributesCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
  type ChecksumAlgorithm,
  type S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { Algorithm } from '../../src/kit/digest.ts';
import { newHash } from '../../src/kit/hashing.ts';
import { plain, refusal, s3Client, type Plain } from '../support/s3.ts';
import { presignByHand, signHeaders } from '../support/sigv4.ts';
import { openWorld, type World } from '../support/world.ts';

const Bucket = 'checksums';
const MiB = 1024 * 1024;
let world: World;
let s3: S3Client;
beforeAll(async () => {
  world = await openWorld();
  s3 = await s3Client(world, { requestChecksumCalculation: 'WHEN_REQUIRED' });
  await s3.send(new CreateBucketCommand({ Bucket }));
});
afterAll(() => world.close());

const algorithms: readonly (readonly [name: string, algorithm: Algorithm])[] = [
  ['CRC32', 'crc32'],
  ['CRC32C', 'crc32c'],
  ['CRC64NVME', 'crc64nvme'],
  ['SHA1', 'sha1'],
  ['SHA256', 'sha256'],
  ['SHA512', 'sha512'],
  ['MD5', 'md5'],
  ['XXHASH64', 'xxh64'],
  ['XXHASH3', 'xxh3'],
  ['XXHASH128', 'xxh128'],
];

async function checksum(algorithm: Algorithm, bytes: Uint8Array | string): Promise<string> {
  const hash = await newHash(algorithm);
  hash.update(Buffer.from(bytes));
  return Buffer.from(hash.digest('hex'), 'hex').toString('base64');
}

async function put(
  Key: string,
  body: string,
  headers: Record<string, string>,
  query: Record<string, string> = {},
): Promise<Plain> {
  const url = new URL(`${world.s3Url}/${Bucket}/${Key}`);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const request = { key: await s3.config.credentials(), method: 'PUT', url };
  if (Object.keys(query).length > 0) return plain(presignByHand(request), { method: 'PUT', body });
  return plain(url, { method: 'PUT', body, headers: signHeaders(request, headers) });
}

const head = async (Key: string): Promise<Record<string, unknown>> => ({
  ...(await s3.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }))),
});
const absent = async (Key: string): Promise<void> => expect(await refusal(head(Key))).toBe('404');

describe('A24: one request', () => {
  test.each(algorithms)('%s is checked, kept and told', async (name, algorithm) => {
    const header = `x-amz-checksum-${name.toLowerCase()}`;
    const right = await checksum(algorithm, 'the bytes');
    const made = await put(`put-${name}`, 'the bytes', { [header]: right });
    expect({
      status: made.status,
      'made header': made.headers.get(header),
      'x-amz-checksum-type': made.headers.get('x-amz-checksum-type'),
    }).toEqual({ status: 200, 'made header': right, 'x-amz-checksum-type': 'FULL_OBJECT' });
    expect(await head(`put-${name}`)).toMatchObject({ [`Checksum${name}`]: right, ChecksumType: 'FULL_OBJECT' });
    expect(await put(`bad-${name}`, 'other bytes', { [header]: right })).toMatchObject({
      status: 400,
      code: 'BadDigest',
    });
    for (const value of ['AAAA', '', '!', 'bad', right.slice(1), `${right}-1`]) {
      expect(await put(`bad-${name}`, 'the bytes', { [header]: value })).toMatchObject({
        status: 400,
        code: 'BadDigest',
      });
    }
    await absent(`bad-${name}`);
  });

  test.each([
    ['an algorithm that there is not', { 'x-amz-checksum-sha3': 'AAAA' }],
    ['a name that begins like a checksum', { 'x-amz-checksum-': 'AAAA' }],
    ['two checksums', { 'x-amz-checksum-crc32': 'd', 'x-amz-checksum-crc32c': 'd' }],
    ['an unknown named algorithm', { 'x-amz-sdk-checksum-algorithm': 'SHA3' }],
    ['a named algorithm without its checksum', { 'x-amz-sdk-checksum-algorithm': 'CRC32' }],
    ['a trailer that does not come', { 'x-amz-trailer': 'x-amz-checksum-crc32' }],
    ['a trailer of an unknown algorithm', { 'x-amz-trailer': 'x-amz-checksum-sha3' }],
    ['a trailer that is no checksum', { 'x-amz-trailer': 'x-amz-meta-a' }],
    ['a checksum of parts', { 'x-amz-checksum-type': 'COMPOSITE' }],
    ['an MD5 that is none', { 'Content-MD5': 'AAAA' }],
    ['an MD5 that is not base64', { 'Content-MD5': '????' }],
    ['a digest that is none', { 'Content-Digest': 'sha-256=:A:' }],
    ['a digest of an unknown algorithm alone', { 'Content-Digest': 'sha-3=:AAAA:' }],
    [
      'a digest of the whole that is not its',
      { 'Repr-Digest': `sha-256=:${createHash('sha256').update('y').digest('base64')}:` },
    ],
  ] as [string, Record<string, string>][])('%s is refused, and nothing stored', async (_what, headers) => {
    const { status } = await put('refused', 'x', headers);
    expect(status).toBe(400);
    await absent('refused');
  });

  test('a named algorithm has to be that of the checksum', async () => {
    const right = await checksum('crc32', 'x');
    expect(
      (await put('named', 'x', { 'x-amz-checksum-crc32': right, 'x-amz-sdk-checksum-algorithm': 'CRC32C' })).status,
    ).toBe(400);
    expect(
      (await put('named', 'x', { 'x-amz-checksum-crc32': right, 'x-amz-sdk-checksum-algorithm': 'crc32' })).status,
    ).toBe(200);
  });

  test('B9: without one, there is a CRC64NVME', async () => {
    const usual = await checksum('crc64nvme', 'plain');
    const made = await put('plain', 'plain', {});
    expect({
      'x-amz-checksum-crc64nvme': made.headers.get('x-amz-checksum-crc64nvme'),
      ChecksumCRC64NVME: (await head('plain'))['ChecksumCRC64NVME'],
    }).toEqual({ 'x-amz-checksum-crc64nvme': usual, ChecksumCRC64NVME: usual });
  });

  test('in a presigned URL it binds, unless it is that of no bytes, which presigners put there', async () => {
    const right = await checksum('sha256', 'the body');
    expect(
      (
        await put(
          'hoisted',
          'the body',
          {},
          { 'x-amz-checksum-sha256': right, 'x-amz-sdk-checksum-algorithm': 'SHA256' },
        )
      ).status,
    ).toBe(200);
    expect(await put('hoisted', 'another', {}, { 'x-amz-checksum-sha256': right })).toMatchObject({
      status: 400,
      code: 'BadDigest',
    });
    const url = await getSignedUrl(await s3Client(world), new PutObjectCommand({ Bucket, Key: 'by-browser' }), {
      expiresIn: 60,
    });
    expect(url).toContain('x-amz-checksum-crc32=AAAAAA');
    expect((await plain(url, { method: 'PUT', body: 'some bytes' })).status).toBe(200);
  });
});

describe('A24, B9: parts', () => {
  const one = randomBytes(5 * MiB);
  const two = randomBytes(1000);

  /** An upload of two parts, each with this checksum, and its end with these changes; the first `bare` parts are named without it. */
  async function upload(
    Key: string,
    name: string,
    algorithm: Algorithm,
    type: 'COMPOSITE' | 'FULL_OBJECT',
  ): Promise<
    (
      more?: Record<string, unknown>,
      ofParts?: Record<string, string | undefined>,
      bare?: number,
    ) => Promise<Record<string, unknown>>
  > {
    const { UploadId } = await s3.send(
      new CreateMultipartUploadCommand({
        Bucket,
        Key,
        ChecksumAlgorithm: name as ChecksumAlgorithm,
        ChecksumType: type,
      }),
    );
    const Parts: Record<string, unknown>[] = [];
    for (const [at, Body] of [one, two].entries()) {
      const said = { [`Checksum${name}`]: await checksum(algorithm, Body) };
      const { ETag } = await s3.send(
        new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: at + 1, Body, ...said }),
      );
      Parts.push({ PartNumber: at + 1, ETag, ...said });
    }
    return async (more = {}, ofParts = {}, bare = 0) => {
      const named = Parts.map((part, at) => ({
        ...part,
        ...ofParts,
        ...(at < bare ? { [`Checksum${name}`]: undefined } : {}),
      }));
      return {
        ...(await s3.send(
          new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts: named }, ...more }),
        )),
      };
    };
  }

  test.each(algorithms.filter(([name]) => name !== 'CRC64NVME'))(
    '%s of an object is made of those of its parts, which the end names for all of them or for none',
    async (name, algorithm) => {
      const Key = `composite-${name}`;
      const complete = await upload(Key, name, algorithm, 'COMPOSITE');
      const raw = Buffer.concat([one, two].map((bytes) => bytes)).length;
      const whole = await checksum(
        algorithm,
        Buffer.concat(
          await Promise.all([one, two].map(async (bytes) => Buffer.from(await checksum(algorithm, bytes), 'base64'))),
        ),
      );
      const wrong = await checksum(algorithm, 'wrong');
      expect(await refusal(complete({}, { [`Checksum${name}`]: wrong }))).toBe('InvalidPart');
      expect(await refusal(complete({}, {}, 1))).toBe('InvalidRequest');
      expect(await refusal(complete({ ChecksumType: 'FULL_OBJECT' }))).toBe('InvalidRequest');
      expect(await refusal(complete({ [`Checksum${name}`]: wrong }))).toBe('BadDigest');
      expect(
        await refusal(
          complete({
            [name === 'SHA1' ? 'ChecksumSHA256' : 'ChecksumSHA1']: await checksum(
              name === 'SHA1' ? 'sha256' : 'sha1',
              'x',
            ),
          }),
        ),
      ).toBe('InvalidRequest');
      expect(await refusal(complete({ MpuObjectSize: raw + 1 }))).toBe('InvalidRequest');
      const done = await complete({ [`Checksum${name}`]: `${whole}-2`, ChecksumType: 'COMPOSITE', MpuObjectSize: raw });
      expect(done).toMatchObject({ [`Checksum${name}`]: `${whole}-2`, ChecksumType: 'COMPOSITE' });
      expect(await head(Key)).toMatchObject({ [`Checksum${name}`]: `${whole}-2`, ChecksumType: 'COMPOSITE' });
      const attributes = await s3.send(new GetObjectAttributesCommand({ Bucket, Key, ObjectAttributes: ['Checksum'] }));
      expect(attributes.Checksum).toMatchObject({ [`Checksum${name}`]: `${whole}-2`, ChecksumType: 'COMPOSITE' });
    },
  );

  test('an end that names no checksum of a part has the one of the whole that came with the parts, and a wrong one is refused', async () => {
    const complete = await upload('bare-end', 'SHA256', 'sha256', 'COMPOSITE');
    const ofParts = await Promise.all(
      [one, two].map(async (bytes) => Buffer.from(await checksum('sha256', bytes), 'base64')),
    );
    const whole = `${await checksum('sha256', Buffer.concat(ofParts))}-2`;
    for (const wrong of ['bad', `${await checksum('sha256', 'wrong')}-2`])
      expect(await refusal(complete({ ChecksumSHA256: wrong }, {}, 2))).toBe('BadDigest');
    expect(await complete({}, {}, 2)).toMatchObject({ ChecksumSHA256: whole, ChecksumType: 'COMPOSITE' });
    const { Checksum, ObjectParts } = await s3.send(
      new GetObjectAttributesCommand({ Bucket, Key: 'bare-end', ObjectAttributes: ['Checksum', 'ObjectParts'] }),
    );
    expect(Checksum).toMatchObject({ ChecksumSHA256: whole });
    expect(ObjectParts!.Parts!.map(({ ChecksumSHA256 }) => ChecksumSHA256)).toEqual(
      ofParts.map((bytes) => bytes.toString('base64')),
    );
  });

  test.each(['CRC32', 'CRC32C', 'CRC64NVME'])('%s of a whole object is that of its bytes', async (name) => {
    const [, algorithm] = algorithms.find(([other]) => other === name)!;
    const complete = await upload(`full-${name}`, name, algorithm, 'FULL_OBJECT');
    expect(await refusal(complete({ [`Checksum${name}`]: await checksum(algorithm, 'wrong') }))).toBe('BadDigest');
    expect(await refusal(complete({ ChecksumType: 'COMPOSITE' }))).toBe('InvalidRequest');
    const whole = await checksum(algorithm, Buffer.concat([one, two]));
    expect(await complete({ [`Checksum${name}`]: whole })).toMatchObject({
      [`Checksum${name}`]: whole,
      ChecksumType: 'FULL_OBJECT',
    });
  });

  test.each([
    [{ ChecksumAlgorithm: 'CRC64NVME', ChecksumType: 'COMPOSITE' }],
    [{ ChecksumType: 'FULL_OBJECT' }],
    [{ ChecksumType: 'SOME', ChecksumAlgorithm: 'CRC32' }],
    [{ ChecksumAlgorithm: 'SHA3' }],
    ...['SHA1', 'SHA256', 'SHA512', 'MD5', 'XXHASH64', 'XXHASH3', 'XXHASH128'].map((name) => [
      { ChecksumAlgorithm: name, ChecksumType: 'FULL_OBJECT' },
    ]),
  ] as [Record<string, string>][])('no upload begins with %p', async (wish) => {
    expect(await refusal(s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'never', ...wish })))).toBe(
      'InvalidRequest',
    );
  });

  test('a part has the checksum that its upload was begun with, and no other', async () => {
    const begin = async (
      wish: object,
    ): Promise<{ Bucket: string; Key: string; UploadId: string | undefined; PartNumber: number; Body: string }> => {
      const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'mixed', ...wish }));
      return { Bucket, Key: 'mixed', UploadId, PartNumber: 1, Body: 'x' };
    };
    const other = { ChecksumCRC32: await checksum('crc32', 'x') };
    const composite = await begin({ ChecksumAlgorithm: 'SHA256' });
    expect(await refusal(s3.send(new UploadPartCommand({ ...composite, ...other })))).toBe('InvalidRequest');
    expect(await refusal(s3.send(new UploadPartCommand(composite)))).toBe('InvalidRequest');
    const full = await begin({ ChecksumAlgorithm: 'CRC64NVME' });
    expect(await refusal(s3.send(new UploadPartCommand({ ...full, ...other })))).toBe('InvalidRequest');
    expect(await s3.send(new UploadPartCommand(full))).toMatchObject({
      ChecksumCRC64NVME: await checksum('crc64nvme', 'x'),
    });
    expect((await s3.send(new ListPartsCommand(full))).Parts).toMatchObject([
      { ChecksumCRC64NVME: await checksum('crc64nvme', 'x') },
    ]);
  });

  test('an upload that names none ends with a CRC64NVME of its bytes, also of parts that were copied', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'copied-part', Body: one }));
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'unnamed' }));
    const part = { Bucket, Key: 'unnamed', UploadId };
    const first = await s3.send(
      new UploadPartCopyCommand({ ...part, PartNumber: 1, CopySource: `${Bucket}/copied-part` }),
    );
    const second = await s3.send(new UploadPartCommand({ ...part, PartNumber: 2, Body: two }));
    const Parts = [
      { PartNumber: 1, ETag: first.CopyPartResult!.ETag },
      { PartNumber: 2, ETag: second.ETag },
    ];
    const whole = await checksum('crc64nvme', Buffer.concat([one, two]));
    const complete = (more: object): Promise<unknown> =>
      s3.send(new CompleteMultipartUploadCommand({ ...part, MultipartUpload: { Parts }, ...more }));
    expect(await refusal(complete({ ChecksumCRC64NVME: await checksum('crc64nvme', 'wrong') }))).toBe('BadDigest');
    expect(await complete({ ChecksumCRC64NVME: whole })).toMatchObject({
      ChecksumCRC64NVME: whole,
      ChecksumType: 'FULL_OBJECT',
    });
    expect(await head('unnamed')).toMatchObject({ ChecksumCRC64NVME: whole, ChecksumType: 'FULL_OBJECT' });
  });

  test('a copied part is told with the checksum of its upload', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'part-source', Body: 'xyz' }));
    const { UploadId } = await s3.send(
      new CreateMultipartUploadCommand({ Bucket, Key: 'copy-parts', ChecksumAlgorithm: 'SHA256' }),
    );
    const copied = await s3.send(
      new UploadPartCopyCommand({
        Bucket,
        Key: 'copy-parts',
        UploadId,
        PartNumber: 1,
        CopySource: `${Bucket}/part-source`,
        CopySourceRange: 'bytes=1-2',
      }),
    );
    expect(copied.CopyPartResult).toMatchObject({ ChecksumSHA256: await checksum('sha256', 'yz') });
  });
});

describe('B9: copies', () => {
  test('have the checksum of their source, or the one that is asked for', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'source', Body: 'copied', ChecksumAlgorithm: 'SHA1' }));
    const copy = async (Key: string, wish: object): Promise<Record<string, unknown>> => {
      const { CopyObjectResult } = await s3.send(
        new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/source`, ...wish }),
      );
      const { ChecksumSHA1, ChecksumXXHASH3, ChecksumType } = await head(Key);
      expect(CopyObjectResult).toMatchObject(
        JSON.parse(JSON.stringify({ ChecksumSHA1, ChecksumXXHASH3, ChecksumType })) as object,
      );
      return { ChecksumSHA1, ChecksumXXHASH3, ChecksumType };
    };
    expect(await copy('same', {})).toEqual({
      ChecksumSHA1: await checksum('sha1', 'copied'),
      ChecksumXXHASH3: undefined,
      ChecksumType: 'FULL_OBJECT',
    });
    expect(await copy('asked', { ChecksumAlgorithm: 'XXHASH3' })).toEqual({
      ChecksumSHA1: undefined,
      ChecksumXXHASH3: await checksum('xxh3', 'copied'),
      ChecksumType: 'FULL_OBJECT',
    });
    expect(await copy('source', { ChecksumAlgorithm: 'XXHASH3' })).toMatchObject({
      ChecksumXXHASH3: await checksum('xxh3', 'copied'),
    });
    expect(await refusal(copy('never', { ChecksumAlgorithm: 'SHA3' }))).toBe('InvalidRequest');
  });

  test('listings of versions tell which checksum there is', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'version', Body: 'x', ChecksumAlgorithm: 'SHA256' }));
    const { Versions } = await s3.send(new ListObjectVersionsCommand({ Bucket, Prefix: 'version' }));
    expect(Versions).toMatchObject([{ ChecksumAlgorithm: ['SHA256'], ChecksumType: 'FULL_OBJECT' }]);
  });
});
