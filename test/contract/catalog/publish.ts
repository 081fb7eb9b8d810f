import { randomUUID } from 'node:crypto';
import { contentOf, done, eventOf, sha512Of } from './scene.ts';
import type { Scene } from './scene.ts';

export function publishContract(scene: () => Scene): void {
  describe('publish', () => {
    const artifacts = () => scene().catalog.artifacts;
    const { blobs, contents, journal, uploads } = {
      blobs: () => scene().catalog.blobs,
      contents: () => scene().catalog.contents,
      journal: () => scene().catalog.events,
      uploads: () => scene().catalog.uploads,
    };

    test('makes content, blob, artifact and version, and ends the upload', async () => {
      const upload = await scene().upload('alpha', 5);
      const offered = contentOf('hello');
      const wish = { shared: true, maxVersions: 3, type: 'image' as const };
      const published = done(await scene().publishUpload('alpha', 'disk', upload, offered, wish));
      const { artifact, blob } = published;
      expect(published).toMatchObject({ index: 1, added: true, address: offered.address, replaced: null });
      expect(artifact).toEqual({
        uuid: artifact.uuid,
        namespace: 'alpha',
        type: 'image',
        name: 'disk',
        sourceUrl: 'upload://disk',
        state: 'created',
        fault: null,
        shared: true,
        maxVersions: 3,
        lastIndex: 1,
        createdAt: 10,
        deletedAt: null,
      });
      expect(await artifacts().get(artifact.uuid)).toEqual(artifact);
      expect(await blobs().get(blob)).toEqual({
        uuid: blob,
        namespace: 'alpha',
        sha512: sha512Of('hello'),
        size: 5,
        createdAt: 10,
        usedAt: null,
        mediaType: 'text/plain',
        digests: {},
        references: 1,
        contentState: 'good',
      });
      expect(await contents().get(offered.sha512)).toEqual(offered);
      expect((await artifacts().versions([artifact.uuid]))[artifact.uuid]).toEqual([
        { index: 1, blob, size: 5, references: 1, createdAt: 10 },
      ]);
      expect(await uploads().get(upload)).toMatchObject({
        state: 'sealed',
        outcome: { artifact: artifact.uuid, index: 1, blob },
      });
      for (const [subject, id] of [
        ['artifact', artifact.uuid],
        ['blob', blob],
      ] as const) {
        expect(await journal().events(subject, id, { limit: 9 })).toMatchObject([
          { message: 'version 1 from upload', extra: { by: 'alpha' } },
        ]);
      }
    });

    test('gives to a name that is free, once', async () => {
      const [first, second] = [await scene().upload('alpha', 4), await scene().upload('alpha', 5)];
      const given = done(await scene().publishUpload('beta', 'gift', first, contentOf('gift'), { createOnly: true }));
      expect(given).toMatchObject({ added: true, index: 1 });
      expect(await scene().publishUpload('beta', 'gift', second, contentOf('other'), { createOnly: true })).toBe(
        'taken',
      );
      expect(await uploads().get(second)).toMatchObject({ state: 'open' });
      expect(await scene().publishUpload('beta', 'gift', first, contentOf('gift'), { createOnly: true })).toMatchObject(
        { added: false, index: 1 },
      );
    });

    test('needs an upload that stands at the size, a namespace, and a blob that is good', async () => {
      const upload = await scene().upload('alpha', 5);
      expect(await scene().publishUpload('alpha', 'a', randomUUID(), contentOf('hello'))).toBe('no_upload');
      expect(await scene().publishUpload('alpha', 'a', upload, contentOf('hell'))).toBe('no_upload');
      expect(await scene().publishUpload('nobody', 'a', upload, contentOf('hello'))).toBe('no_namespace');
      expect(await scene().publishBlob('alpha', 'a', randomUUID())).toBe('no_blob');
      await uploads().drop(upload, eventOf('upload', upload));
      expect(await scene().publishUpload('alpha', 'a', upload, contentOf('hello'))).toBe('no_upload');
      expect(await contents().totals()).toMatchObject({ contents: 0, blobs: 0, artifacts: 0, versions: 0 });

      const { blob, address } = await scene().version('alpha', 'a', 'bytes');
      await contents().mark(sha512Of('bytes'), address, 'rotten', 12, null);
      expect(await scene().publishBlob('alpha', 'b', blob)).toBe('no_blob');
    });

    test('answers a repeat what the first run answered, whatever became of the version', async () => {
      const upload = await scene().upload('alpha', 3);
      const first = done(await scene().publishUpload('alpha', 'a', upload, contentOf('one'), { maxVersions: 1 }));
      const repeat = async () => done(await scene().publishUpload('alpha', 'a', upload, contentOf('one')));
      expect(await repeat()).toEqual({ ...first, added: false });
      await scene().version('alpha', 'a', 'two');
      expect(await scene().indexes(first.artifact.uuid)).toEqual([2]);
      expect(await repeat()).toMatchObject({ index: 1, blob: first.blob, added: false, artifact: { lastIndex: 2 } });
      await artifacts().remove(first.artifact.uuid, 20, eventOf('artifact', first.artifact.uuid));
      await blobs().sweep(100, 10);
      expect(await repeat()).toMatchObject({ index: 1, added: false, artifact: { state: 'deleted' }, address: '' });
    });

    test('of many runs for one upload, one adds', async () => {
      const upload = await scene().upload('alpha', 4);
      const runs = Array.from({ length: 12 }, () => scene().publishUpload('alpha', 'a', upload, contentOf('race')));
      const all = (await Promise.all(runs)).map(done);
      expect(all.filter(({ added }) => added)).toHaveLength(1);
      expect(
        new Set(all.map(({ artifact, index, blob, address }) => [artifact.uuid, index, blob, address].join())).size,
      ).toBe(1);
    });

    test('of many uploads of the same bytes to one name, one adds, on one content', async () => {
      const ids = await Promise.all(Array.from({ length: 12 }, () => scene().upload('alpha', 4)));
      const all = (await Promise.all(ids.map((id) => scene().publishUpload('alpha', 'a', id, contentOf('race'))))).map(
        done,
      );
      expect(all.filter(({ added }) => added)).toHaveLength(1);
      // Each replaces the previous one and names its address.
      const { address: last } = (await contents().get(sha512Of('race')))!;
      const gone = all.flatMap(({ replaced }) => replaced ?? []);
      expect([...gone, last].sort()).toEqual(all.map(({ address }) => address).sort());
      expect(await contents().totals()).toMatchObject({
        contents: 1,
        blobs: 1,
        artifacts: 1,
        versions: 1,
        openUploads: 0,
      });
    });

    test('skips only what the newest version has; numbers go on', async () => {
      const indexes: number[] = [];
      for (const text of ['a', 'b', 'b', 'a']) indexes.push((await scene().version('alpha', 'n', text)).index);
      expect(indexes).toEqual([1, 2, 2, 3]);
      const { artifact, blob } = await scene().version('alpha', 'n', 'a');
      expect((await blobs().get(blob))?.references).toBe(2);
      await artifacts().removeVersion(artifact.uuid, 3, 20, eventOf('artifact', artifact.uuid));
      expect((await scene().version('alpha', 'n', 'a')).index).toBe(4);
    });

    test('keeps namespaces apart on one content', async () => {
      const one = await scene().version('alpha', 'n', 'same');
      const two = await scene().version('beta', 'n', 'same');
      expect(two.blob).not.toBe(one.blob);
      expect(two).toMatchObject({ replaced: one.address, healed: false });
      expect((await scene().version('alpha', 'other name', 'same')).blob).toBe(one.blob);
      expect(await contents().totals()).toMatchObject({ contents: 1, bytes: 4, blobs: 2, versions: 3, namedBytes: 12 });
    });

    test('lets an artifact name a blob of another namespace, and takes the same bytes as the same', async () => {
      const { blob } = await scene().version('alpha', 'n', 'lent');
      const lent = done(await scene().publishBlob('beta', 'n', blob));
      expect(lent).toMatchObject({ blob, added: true, index: 1 });
      expect(await scene().publishBlob('beta', 'n', blob)).toMatchObject({ added: false, index: 1 });
      expect(await scene().version('beta', 'n', 'lent')).toMatchObject({ added: false, index: 1, blob });
      expect((await blobs().get(blob))?.references).toBe(2);
      expect(await journal().events('artifact', lent.artifact.uuid, { limit: 9 })).toMatchObject([
        { message: 'version 1 from blob' },
      ]);
    });

    test('keeps as many versions as the artifact says', async () => {
      for (const text of ['a', 'b', 'c', 'd']) await scene().version('alpha', 'n', text, { maxVersions: 2 });
      const { artifact } = await scene().version('alpha', 'n', 'e', { maxVersions: 9 });
      expect(artifact.maxVersions).toBe(2);
      expect(await scene().indexes(artifact.uuid)).toEqual([4, 5]);
      await scene().version('alpha', 'n', 'f', { maxVersions: 3, setMaxVersions: true });
      expect(await scene().indexes(artifact.uuid)).toEqual([4, 5, 6]);
      // A skipped publication still sets the limit.
      expect(await scene().version('alpha', 'n', 'f', { maxVersions: 1, setMaxVersions: true })).toMatchObject({
        added: false,
      });
      expect(await scene().indexes(artifact.uuid)).toEqual([6]);
    });

    test('keeps small bytes itself, once, and as long as a blob names them', async () => {
      const text = async (): Promise<string | undefined> => {
        const bytes = await contents().bytes(sha512Of('small'));
        return bytes && Buffer.from(bytes).toString();
      };
      const first = done(await scene().publishBytes('alpha', 'n', 'small'));
      expect(first).toMatchObject({ added: true, index: 1, replaced: null });
      expect(await text()).toBe('small');
      expect(await blobs().get(first.blob)).toMatchObject({
        sha512: sha512Of('small'),
        size: 5,
        mediaType: 'text/plain',
      });
      expect(await contents().get(sha512Of('small'))).toMatchObject({ size: 5, address: first.address, state: 'good' });
      expect(done(await scene().publishBytes('alpha', 'n', 'small'))).toMatchObject({
        added: false,
        index: 1,
        address: first.address,
      });
      expect(done(await scene().publishBytes('beta', 'n', 'small'))).toMatchObject({
        added: true,
        address: first.address,
        replaced: null,
      });
      expect(done(await scene().publishBytes('alpha', 'empty', ''))).toMatchObject({ added: true });
      expect((await contents().bytes(sha512Of('')))?.byteLength).toBe(0);
      for (const { uuid, namespace } of [
        ...(await artifacts().named('alpha', 'n')),
        ...(await artifacts().named('beta', 'n')),
      ]) {
        await artifacts().remove(uuid, 20, eventOf('artifact', uuid));
        expect(await text()).toBe('small');
        await blobs().sweep(30, 10);
        expect(await text()).toBe(namespace === 'alpha' ? 'small' : undefined);
      }
    });

    test('takes the bytes that came last, wherever they lie, and says where the others were', async () => {
      const sha512 = sha512Of('moved');
      const { address } = await scene().version('alpha', 'n', 'moved');
      const here = done(await scene().publishBytes('alpha', 'm', 'moved'));
      expect(here).toMatchObject({ replaced: address, healed: false });
      expect(Buffer.from((await contents().bytes(sha512))!).toString()).toBe('moved');
      const there = await scene().version('alpha', 'o', 'moved');
      expect(there).toMatchObject({ replaced: here.address, healed: false });
      expect(await contents().bytes(sha512)).toBeUndefined();
      await contents().mark(sha512, there.address, 'rotten', 12, null);
      expect(done(await scene().publishBytes('alpha', 'p', 'moved'))).toMatchObject({
        address: here.address,
        replaced: there.address,
        healed: true,
      });
      expect((await contents().get(sha512))?.state).toBe('good');
    });

    test('small bytes that are the right ones are not marked as rotten', async () => {
      const { address } = done(await scene().publishBytes('alpha', 'n', 'well'));
      expect(await contents().mark(sha512Of('well'), address, 'rotten', 12, eventOf('blob', 'well'))).toBe(false);
      expect((await contents().get(sha512Of('well')))?.state).toBe('good');
      expect(await journal().events('blob', 'well', { limit: 9 })).toEqual([]);
    });

    test('a content is named by the versions that stand on it', async () => {
      const { artifact } = await scene().version('alpha', 'n', 'named');
      const { artifact: other } = await scene().version('beta', 'm', 'named');
      const named = await contents().named(sha512Of('named'), 10);
      expect(named).toHaveLength(2);
      expect(named).toEqual(
        expect.arrayContaining([
          { namespace: 'alpha', artifact: artifact.uuid, name: 'n', index: 1 },
          { namespace: 'beta', artifact: other.uuid, name: 'm', index: 1 },
        ]),
      );
      expect(await contents().named(sha512Of('named'), 1)).toHaveLength(1);
    });

    test('what comes to nothing leaves the bytes that are known where they are', async () => {
      const { address } = await scene().version('alpha', 'n', 'stays');
      const upload = await scene().upload('beta', 5);
      expect(await scene().publishUpload('alpha', 'n', upload, contentOf('stays'), { createOnly: true })).toBe('taken');
      expect((await contents().get(sha512Of('stays')))?.address).toBe(address);
    });

    test('heals bad bytes with the offered ones, and says where the bad ones lie', async () => {
      const first = await scene().version('alpha', 'n', 'bytes');
      await contents().mark(sha512Of('bytes'), first.address, 'rotten', 12, null);
      expect((await blobs().get(first.blob))?.contentState).toBe('rotten');
      const offered = contentOf('bytes');
      const upload = await scene().upload('alpha', 5);
      const second = done(await scene().publishUpload('alpha', 'n', upload, offered));
      expect(second).toMatchObject({
        added: false,
        blob: first.blob,
        address: offered.address,
        replaced: first.address,
      });
      expect(await contents().get(sha512Of('bytes'))).toEqual(offered);
      await contents().mark(sha512Of('bytes'), offered.address, 'missing', 13, null);
      const again = await scene().upload('alpha', 5);
      expect(await scene().publishUpload('alpha', 'm', again, offered)).toMatchObject({
        added: true,
        address: offered.address,
        replaced: null,
      });
    });

    test('gives a new artifact after deletion, and a fetched one its version', async () => {
      const first = await scene().version('alpha', 'n', 'a');
      await artifacts().remove(first.artifact.uuid, 20, eventOf('artifact', first.artifact.uuid));
      const second = await scene().version('alpha', 'n', 'a');
      expect(second.artifact.uuid).not.toBe(first.artifact.uuid);
      expect(second).toMatchObject({ index: 1, blob: first.blob });

      const pending = scene().pendingArtifact('alpha', 'fetched');
      await artifacts().begin(pending, eventOf('artifact', pending.uuid));
      await artifacts().fail(pending.uuid, 'not found', eventOf('artifact', pending.uuid));
      const fetched = await scene().version('alpha', 'fetched', 'b', { type: 'image', sourceUrl: pending.sourceUrl });
      expect(fetched.artifact).toEqual({ ...pending, state: 'created', lastIndex: 1 });
    });
  });
}
