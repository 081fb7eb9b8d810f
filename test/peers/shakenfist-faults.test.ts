/** The Shaken Fist client against the real server, with connection faults that an upload must survive. */
import { createHash, randomBytes } from 'node:crypto';
import { chunks, openMeddler, type Meddler, type Rule } from '../support/meddler.ts';
import { ShakenFist } from '../support/shakenfist.ts';
import { artifactDownload, artifactUpload, sendUploadFile } from '../support/shakenfist-cli.ts';
import { openWorld, type World } from '../support/world.ts';

let world: World;
let meddler: Meddler;
let client: ShakenFist;

beforeAll(async () => void (world = await openWorld()));
afterAll(() => world.close());

let tests = 0;
/** A namespace for each test, which sees nothing of the others. */
beforeEach(async () => {
  meddler = await openMeddler(world.url);
  const namespace = await world.addNamespace(`faults-${(tests += 1)}`);
  client = await ShakenFist.open({ url: meddler.url, namespace, key: world.know(namespace) });
});

afterEach(async () => {
  client.close();
  await meddler.close();
});

const sha512 = (content: Buffer): string => createHash('sha512').update(content).digest('hex');

describe('faults of an upload', () => {
  const answered = (code: number, server: 'nothing' | 'half' | 'whole', which = [3]): Rule => ({
    method: 'POST',
    path: chunks,
    which,
    meddling: { kind: 'answer', status: code, server },
  });
  const dropped = (when: 'before' | 'after', which: number[], path = chunks): Rule => ({
    method: 'POST',
    path,
    which,
    meddling: { kind: 'drop', when },
  });
  const faults: readonly (readonly [string, Rule])[] = [
    ['500 on the third chunk, nothing kept', answered(500, 'nothing')],
    ['500 on the third chunk, half of it kept', answered(500, 'half')],
    ['500 on the third chunk, all of it kept', answered(500, 'whole')],
    ['409 on the third chunk', answered(409, 'nothing')],
    ['502 on the third chunk', answered(502, 'nothing')],
    ['401 on the third chunk', answered(401, 'nothing')],
    ['500 on the first chunk', answered(500, 'nothing', [1])],
    ['500 five times in a row', answered(500, 'half', [2, 3, 4, 5, 6])],
    ['the connection ends before the answer to the third chunk', dropped('before', [3])],
    ['the connection ends at the answer to the third chunk', dropped('after', [3])],
    ['the connection ends at the answer to the first chunk', dropped('after', [1])],
    ['the connection ends at the answer to every other chunk', dropped('after', [2, 4, 6])],
    ['the connection ends before the answer to the conversion', dropped('before', [1], /^\/artifacts\/upload\//)],
    ['the connection ends at the answer to the conversion', dropped('after', [1], /^\/artifacts\/upload\//)],
    ['the connection ends at the answer to the first request of all', dropped('after', [1], /^\/upload$/)],
  ];

  test.each(faults)('%s: the upload ends well', async (_title, rule) => {
    for (const content of [randomBytes(9_000_000), Buffer.alloc(9_000_000)]) {
      meddler.script(rule);
      const { artifact } = await artifactUpload(client, 'thing', content);
      expect(Object.values(artifact.blobs).at(-1)).toMatchObject({ size: content.length });
      expect((await artifactDownload(client, 'thing')).equals(content)).toBe(true);
    }
    expect(await client.versions('thing')).toHaveLength(2);
    expect(meddler.struck).toBe(2 * (rule.which?.length ?? 1));
  });

  test.each(faults.slice(0, 12))(
    '%s: the library, which does not look at sizes, ends well too',
    async (_title, rule) => {
      meddler.script(rule);
      const content = randomBytes(9_000_000);
      const upload = await client.beginUpload();
      await sendUploadFile(client, upload.uuid, content);
      const artifact = await client.publish('thing', { upload_uuid: upload.uuid });
      expect(artifact.blobs['1']).toMatchObject({ size: content.length });
      expect((await client.withSha512(sha512(content)))?.uuid).toBe(artifact.blob_uuid);
      expect(meddler.struck).toBe(rule.which?.length ?? 1);
    },
  );

  test('six failures in a row end the program and not the upload', async () => {
    meddler.script(answered(500, 'nothing', [2, 3, 4, 5, 6, 7]));
    const content = randomBytes(100_000);
    const upload = await client.beginUpload();
    await expect(sendUploadFile(client, upload.uuid, content)).rejects.toMatchObject({ status: 500 });
    expect(await client.sendUpload(upload.uuid, content.subarray(4096))).toBe(content.length);
  });

  test('a conversion told twice makes one version', async () => {
    const upload = await client.beginUpload();
    await client.sendUpload(upload.uuid, Buffer.from('once'));
    const first = await client.publish('thing', { upload_uuid: upload.uuid });
    expect(await client.publish('thing', { upload_uuid: upload.uuid })).toEqual(first);
    expect(await client.versions('thing')).toHaveLength(1);
  });
});

describe('faults of a download', () => {
  const cut = (after: number, which: number[]): Rule => ({
    method: 'GET',
    path: /^\/blobs\/[^/]+\/data/,
    which,
    meddling: { kind: 'cut', after },
  });

  test.each([
    ['once, after 100,000 bytes', [cut(100_000, [1])]],
    ['at every other byte count that hurts', [cut(1, [1]), cut(8191, [1]), cut(8193, [1]), cut(65_536, [1])]],
  ])('the connection is cut %s: it goes on from there', async (_title, rules) => {
    const content = randomBytes(5_000_000);
    const { artifact } = await artifactUpload(client, 'thing', content);
    meddler.script(...rules);
    expect((await artifactDownload(client, 'thing')).equals(content)).toBe(true);
    const asked = meddler.seen
      .filter(({ path }) => path.startsWith(`/blobs/${artifact.blob_uuid}/data`))
      .map(({ path }) => Number(path.split('=')[1]));
    expect(asked).toHaveLength(rules.length + 1);
    expect(asked).toEqual([...asked].sort((a, b) => a - b));
    if (rules.length === 1) expect(asked).toEqual([0, 100_000]);
  });

  test('the token is refused at the download: it logs in again', async () => {
    const content = randomBytes(50_000);
    await artifactUpload(client, 'thing', content);
    meddler.script({ method: 'GET', path: /\/data/, meddling: { kind: 'answer', status: 401, server: 'nothing' } });
    expect((await artifactDownload(client, 'thing')).equals(content)).toBe(true);
  });
});
