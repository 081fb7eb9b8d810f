import { randomUUID } from 'node:crypto';
import { eventOf, everything } from './scene.ts';
import type { Scene } from './scene.ts';

export function artifactContract(scene: () => Scene): void {
  describe('artifacts', () => {
    const artifacts = () => scene().catalog.artifacts;
    const blobs = () => scene().catalog.blobs;
    const event = (uuid: string, message = 'noted') => eventOf('artifact', uuid, message);

    test('an artifact that is fetched begins without versions, once a name', async () => {
      const first = scene().pendingArtifact('alpha', 'x');
      expect(await artifacts().begin(first, event(first.uuid))).toEqual(first);
      const second = { ...first, uuid: randomUUID() };
      expect(await artifacts().begin(second, event(second.uuid))).toEqual(first);
      expect((await artifacts().pending(everything)).map(({ uuid }) => uuid)).toEqual([first.uuid]);
      await artifacts().fail(first.uuid, 'no such host', event(first.uuid));
      expect(await artifacts().get(first.uuid)).toMatchObject({ state: 'error', fault: 'no such host' });
      expect(await artifacts().pending(everything)).toEqual([]);
      const homeless = { ...first, uuid: randomUUID(), namespace: 'nobody' };
      await expect(artifacts().begin(homeless, event(homeless.uuid))).rejects.toMatchObject({ reason: 'not_found' });
    });

    test('do not fail once a version is there or they are deleted', async () => {
      const { artifact } = await scene().version('alpha', 'x', 'bytes');
      await artifacts().fail(artifact.uuid, 'too late', event(artifact.uuid));
      expect(await artifacts().get(artifact.uuid)).toMatchObject({ state: 'created', fault: null });
      await artifacts().remove(artifact.uuid, 20, event(artifact.uuid));
      await artifacts().fail(artifact.uuid, 'too late', event(artifact.uuid));
      expect(await artifacts().get(artifact.uuid)).toMatchObject({ state: 'deleted', fault: null });
    });

    test('are found by name while active', async () => {
      const one = await scene().version('alpha', 'x', 'a');
      const two = await scene().version('beta', 'x', 'b', { type: 'image' });
      const uuids = (found: readonly { uuid: string }[]) => found.map(({ uuid }) => uuid);
      expect(uuids(await artifacts().named('alpha', 'x'))).toEqual([one.artifact.uuid]);
      expect(uuids(await artifacts().named(null, 'x'))).toEqual([one.artifact.uuid, two.artifact.uuid]);
      expect(uuids(await artifacts().named(null, 'x', 'image'))).toEqual([two.artifact.uuid]);
      await artifacts().remove(one.artifact.uuid, 20, event(one.artifact.uuid));
      expect(await artifacts().named('alpha', 'x')).toEqual([]);
      expect(await artifacts().named('alpha', 'y')).toEqual([]);
    });

    test('keep a memory of their versions when deleted', async () => {
      const first = await scene().version('alpha', 'x', 'a');
      const second = await scene().version('alpha', 'x', 'bb');
      const { uuid } = first.artifact;
      const gone = await artifacts().remove(uuid, 20, event(uuid, 'deleted'));
      expect(gone).toEqual({ ...second.artifact, state: 'deleted', deletedAt: 20 });
      expect(await artifacts().remove(uuid, 21, event(uuid))).toBeUndefined();
      expect((await artifacts().versions([uuid]))[uuid]).toEqual([
        { index: 1, blob: first.blob, size: 1, references: 0, createdAt: 10 },
        { index: 2, blob: second.blob, size: 2, references: 0, createdAt: 10 },
      ]);
      expect((await blobs().get(first.blob))?.references).toBe(0);
      expect((await scene().catalog.events.events('artifact', uuid, { limit: 1 }))[0]?.message).toBe('deleted');
      expect(await artifacts().forget(20)).toBe(0);
      expect(await artifacts().forget(21)).toBe(1);
      expect(await artifacts().get(uuid)).toBeUndefined();
      expect(await artifacts().versions([uuid])).toEqual({ [uuid]: [] });
    });

    test('lose one version at a time, and with the last one themselves', async () => {
      const first = await scene().version('alpha', 'x', 'a');
      await scene().version('alpha', 'x', 'b');
      const { uuid } = first.artifact;
      expect(await artifacts().removeVersion(uuid, 7, 20, event(uuid))).toBeUndefined();
      expect(await artifacts().removeVersion(uuid, 1, 20, event(uuid))).toMatchObject({
        state: 'created',
        lastIndex: 2,
      });
      expect(await artifacts().removeVersion(uuid, 1, 20, event(uuid))).toBeUndefined();
      expect((await blobs().get(first.blob))?.references).toBe(0);
      expect(await artifacts().removeVersion(uuid, 2, 21, event(uuid))).toMatchObject({
        state: 'deleted',
        deletedAt: 21,
      });
      expect(await scene().indexes(uuid)).toEqual([2]);
    });

    test('trim at once when the limit is lowered', async () => {
      for (const text of ['a', 'b', 'c']) await scene().version('alpha', 'x', text);
      const { artifact } = await scene().version('alpha', 'x', 'd');
      expect(await artifacts().setMaxVersions(artifact.uuid, 2, 20, event(artifact.uuid))).toEqual({
        ...artifact,
        maxVersions: 2,
      });
      expect(await scene().indexes(artifact.uuid)).toEqual([3, 4]);
      expect(await artifacts().setMaxVersions(randomUUID(), 2, 20, event(artifact.uuid))).toBeUndefined();
    });

    test('are shared and not shared while active', async () => {
      const { artifact } = await scene().version('alpha', 'x', 'a');
      expect(await artifacts().setShared(artifact.uuid, true, event(artifact.uuid))).toEqual({
        ...artifact,
        shared: true,
      });
      await artifacts().remove(artifact.uuid, 20, event(artifact.uuid));
      expect(await artifacts().setShared(artifact.uuid, false, event(artifact.uuid))).toBeUndefined();
    });

    test('answer versions of many at once, oldest first', async () => {
      const one = await scene().version('alpha', 'x', 'a');
      const two = await scene().version('alpha', 'y', 'b');
      await scene().version('alpha', 'y', 'c');
      const unknown = randomUUID();
      const found = await artifacts().versions([two.artifact.uuid, one.artifact.uuid, unknown]);
      expect(found[one.artifact.uuid]?.map(({ index }) => index)).toEqual([1]);
      expect(found[two.artifact.uuid]?.map(({ index }) => index)).toEqual([1, 2]);
      expect(found[unknown]).toEqual([]);
    });
  });
}
