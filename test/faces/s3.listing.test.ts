/** Listings against a sorted model: any keys, any prefix and delimiter, any page size, both versions of the call. */
import {
  ListObjectsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  type ListObjectVersionsCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { assert, asyncProperty, constantFrom, integer, oneof } from 'fast-check';
import { s3Client } from '../support/s3.ts';
import { openWorld, type World } from '../support/world.ts';

const Bucket = 'listed';
const keys = [
  'a',
  'a/',
  'a/1',
  'a/2',
  'a/b/1',
  'a/b/2',
  'a/b/c/d',
  'a+b/1',
  'a.b',
  'aa',
  'b',
  'b//x',
  'b//y',
  'c/d/e',
  'c/f',
  'ä/1',
  'ä/2',
  'z',
  '\u{ffff}x',
  '💾/1',
  '💾/2',
  '☃',
  ...Array.from({ length: 30 }, (_, at) => `many/${at}`),
  ...Array.from({ length: 20 }, (_, at) => `deep/${at % 4}/${at}`),
  'many0',
  'new\nline',
  'q?x=1&y',
  'x%2Fy',
  "it's",
];
/** In the order of UTF-8 bytes, which is not that of JavaScript. */
const sorted = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

let world: World;
let s3: S3Client;
beforeAll(async () => {
  world = await openWorld();
  s3 = await s3Client(world);
  await s3.send(new CreateBucketCommand({ Bucket }));
  for (const Key of keys) await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));
});
afterAll(() => world.close());

/** What a listing is: keys, and what keys have in common up to the delimiter, each once and in order. */
function model(prefix: string, delimiter: string, after = ''): string[] {
  const entries = sorted
    .filter((key) => key.startsWith(prefix) && Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0)
    .map((key) => {
      const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
      return at < 0 ? key : `${key.slice(0, at + delimiter.length)}*`;
    });
  return [...new Set(entries)];
}

interface Page {
  readonly Contents?: { Key?: string | undefined }[] | undefined;
  readonly CommonPrefixes?: { Prefix?: string | undefined }[] | undefined;
}

/** The entries of a page, prefixes with a star behind, in the order of their bytes. */
function entriesOf({ Contents = [], CommonPrefixes = [] }: Page, read = (text: string): string => text): string[] {
  const all = [
    ...Contents.map(({ Key }) => ({ at: read(Key!), shown: read(Key!) })),
    ...CommonPrefixes.map(({ Prefix }) => ({ at: read(Prefix!), shown: `${read(Prefix!)}*` })),
  ];
  return all.toSorted((a, b) => Buffer.compare(Buffer.from(a.at), Buffer.from(b.at))).map(({ shown }) => shown);
}

const prefixes = constantFrom(
  '',
  'a',
  'a/',
  'a/b',
  'b/',
  'b//',
  'many',
  'many/',
  'deep/1',
  'ä',
  '💾',
  'nothing',
  'c/d/e',
);
const delimiters = constantFrom('', '/', '//', 'b', '1', '💾');

const sizes = oneof(integer({ min: 1, max: 40 }), integer({ min: 1, max: 1000 }));

describe('U32: every key once', () => {
  test('the new call, page by page', async () => {
    await assert(
      asyncProperty(
        prefixes,
        delimiters,
        sizes,
        constantFrom<'url' | undefined>('url', undefined),
        async (Prefix, Delimiter, MaxKeys, EncodingType) => {
          const found: string[] = [];
          let ContinuationToken: string | undefined;
          do {
            const page = await s3.send(
              new ListObjectsV2Command({ Bucket, Prefix, Delimiter, MaxKeys, ContinuationToken, EncodingType }),
            );
            const shown = entriesOf(page, EncodingType && decodeURIComponent);
            expect(page.KeyCount).toBe(shown.length);
            expect(shown.length).toBeLessThanOrEqual(MaxKeys);
            found.push(...shown);
            ContinuationToken = page.NextContinuationToken;
            expect(page.IsTruncated).toBe(ContinuationToken !== undefined);
          } while (ContinuationToken !== undefined);
          expect(found).toEqual(model(Prefix, Delimiter));
        },
      ),
      { numRuns: 150 },
    );
  });

  test('the old call, page by page', async () => {
    await assert(
      asyncProperty(prefixes, delimiters, sizes, async (Prefix, Delimiter, MaxKeys) => {
        const found: string[] = [];
        let Marker: string | undefined;
        for (;;) {
          const page = await s3.send(new ListObjectsCommand({ Bucket, Prefix, Delimiter, MaxKeys, Marker }));
          const shown = entriesOf(page);
          found.push(...shown);
          if (!page.IsTruncated) break;
          Marker = Delimiter === '' ? page.Contents!.at(-1)!.Key : page.NextMarker;
        }
        expect(found).toEqual(model(Prefix, Delimiter));
      }),
      { numRuns: 100 },
    );
  });
});

test('a listing starts behind any key', async () => {
  await assert(
    asyncProperty(prefixes, constantFrom(...keys, 'a0', '', 'zz'), async (Prefix, StartAfter) => {
      const page = await s3.send(
        new ListObjectsV2Command({ Bucket, Prefix, ...(StartAfter === '' ? {} : { StartAfter }) }),
      );
      expect(entriesOf(page)).toEqual(model(Prefix, '', StartAfter));
    }),
    { numRuns: 80 },
  );
});

test('nothing is a page, and nonsense is none', async () => {
  const none = await s3.send(new ListObjectsV2Command({ Bucket, MaxKeys: 0 }));
  expect({ KeyCount: none.KeyCount, IsTruncated: none.IsTruncated }).toEqual({ KeyCount: 0, IsTruncated: false });
  await expect(s3.send(new ListObjectsV2Command({ Bucket, ContinuationToken: 'no token!' }))).rejects.toMatchObject({
    name: 'InvalidArgument',
  });
  await expect(s3.send(new ListObjectsV2Command({ Bucket, MaxKeys: -1 }))).rejects.toMatchObject({
    name: 'InvalidArgument',
  });
});

test('versions and marks, page by page', async () => {
  const Bucket = 'listed-versions';
  await s3.send(new CreateBucketCommand({ Bucket }));
  await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
  const expected: string[] = [];
  for (const Key of ['a', 'b/1', 'b/2', 'c']) {
    const ids: string[] = [];
    for (let time = 0; time < 3; time += 1)
      ids.unshift((await s3.send(new PutObjectCommand({ Bucket, Key, Body: String(time) }))).VersionId!);
    if (Key !== 'c') ids.unshift((await s3.send(new DeleteObjectCommand({ Bucket, Key }))).VersionId!);
    expected.push(...ids.map((id) => `${Key} ${id}`));
  }
  for (const MaxKeys of [1, 2, 3, 5, 100]) {
    const found = new Set<string>();
    let [KeyMarker, VersionIdMarker]: (string | undefined)[] = [];
    for (;;) {
      const page: ListObjectVersionsCommandOutput = await s3.send(
        new ListObjectVersionsCommand({ Bucket, MaxKeys, KeyMarker, VersionIdMarker }),
      );
      const shown = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].map(
        ({ Key, VersionId }) => `${Key} ${VersionId}`,
      );
      expect(shown.length).toBeLessThanOrEqual(MaxKeys);
      for (const one of shown) {
        expect(found.has(one)).toBe(false);
        found.add(one);
      }
      if (!page.IsTruncated) break;
      [KeyMarker, VersionIdMarker] = [page.NextKeyMarker, page.NextVersionIdMarker];
    }
    expect([...found].toSorted()).toEqual(expected.toSorted());
  }
  const rolled = await s3.send(new ListObjectVersionsCommand({ Bucket, Delimiter: '/' }));
  expect(rolled.CommonPrefixes!.map(({ Prefix }) => Prefix)).toEqual(['b/']);
});
