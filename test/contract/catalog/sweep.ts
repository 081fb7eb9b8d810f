import { done, eventOf, everything, sha512Of } from './scene.ts';
import type { Scene } from './scene.ts';

export function sweepContract(scene: () => Scene): void {
  describe('sweep and scrub', () => {
    const blobs = () => scene().catalog.blobs;
    const contents = () => scene().catalog.contents;
    const remove = (uuid: string, at: number) => scene().catalog.artifacts.remove(uuid, at, eventOf('artifact', uuid));

    test('takes what nothing has named since a time, and only that', async () => {
      const kept = await scene().version('alpha', 'kept', 'kept');
      const old = await scene().version('alpha', 'old', 'old');
      const young = await scene().version('alpha', 'young', 'young');
      await scene().catalog.events.setMetadata('blob', old.blob, 'k', 'v');
      await remove(old.artifact.uuid, 20);
      await remove(young.artifact.uuid, 30);
      expect(await blobs().sweep(20, 10)).toEqual({ blobs: 0, contents: [] });
      expect(await blobs().sweep(30, 10)).toMatchObject({
        blobs: 1,
        contents: [{ sha512: sha512Of('old'), address: old.address, size: 3 }],
      });
      expect(await blobs().get(old.blob)).toBeUndefined();
      expect(await contents().get(sha512Of('old'))).toBeUndefined();
      expect(await scene().catalog.events.metadata('blob', old.blob)).toEqual({});
      expect(await blobs().get(young.blob)).toMatchObject({ references: 0 });
      expect(await blobs().get(kept.blob)).toMatchObject({ references: 1 });
      expect(await contents().known([kept.address, old.address, young.address])).toEqual(
        expect.arrayContaining([kept.address, young.address]),
      );
      expect(await contents().known([old.address])).toEqual([]);
    });

    test('spares what was named again, and what shares its content', async () => {
      const first = await scene().version('alpha', 'a', 'bytes');
      const other = await scene().version('beta', 'a', 'bytes');
      await remove(first.artifact.uuid, 20);
      done(await scene().publishBlob('alpha', 'b', first.blob));
      await remove(other.artifact.uuid, 20);
      expect(await blobs().sweep(100, 10)).toEqual({ blobs: 1, contents: [] });
      expect(await blobs().get(first.blob)).toBeDefined();
      expect(await blobs().get(other.blob)).toBeUndefined();
      expect(await contents().get(sha512Of('bytes'))).toBeDefined();
    });

    test('spares what was asked for, for another while', async () => {
      const { artifact, blob } = await scene().version('alpha', 'a', 'bytes');
      await blobs().used([blob], 15);
      expect((await blobs().get(blob))?.usedAt).toBe(15);
      await remove(artifact.uuid, 20);
      await blobs().used([blob], 40);
      await blobs().used([blob], 39);
      expect((await blobs().get(blob))?.usedAt).toBe(40);
      expect(await blobs().sweep(40, 10)).toEqual({ blobs: 0, contents: [] });
      expect((await blobs().sweep(41, 10)).contents).toHaveLength(1);
    });

    test('takes no more than it may', async () => {
      for (let n = 0; n < 5; n += 1)
        await remove((await scene().version('alpha', `n${n}`, `n${n}`)).artifact.uuid, 20 + n);
      expect((await blobs().sweep(100, 2)).contents.map(({ sha512 }) => sha512).sort()).toEqual(
        [sha512Of('n0'), sha512Of('n1')].sort(),
      );
      expect(await blobs().sweep(100, 9)).toMatchObject({ blobs: 3 });
    });

    test('a publication and a sweep that race leave a version with its bytes, or none', async () => {
      for (let round = 0; round < 10; round += 1) {
        const { artifact, blob } = await scene().version('alpha', `n${round}`, `n${round}`);
        await remove(artifact.uuid, 20);
        const [published, swept] = await Promise.all([
          scene().publishBlob('alpha', `m${round}`, blob),
          blobs().sweep(100, 10),
        ]);
        if (published === 'no_blob') expect(swept.contents).toHaveLength(1);
        else expect(await blobs().get(blob)).toMatchObject({ references: 1, contentState: 'good' });
      }
    });

    test('scrubs the least recently scrubbed first', async () => {
      const made = [];
      for (const text of ['a', 'b', 'c']) made.push(await scene().version('alpha', text, text));
      await contents().mark(sha512Of('a'), made[0]!.address, 'good', 50, null);
      await contents().mark(sha512Of('b'), made[1]!.address, 'good', 40, null);
      expect((await contents().toScrub(60, 10)).map(({ sha512 }) => sha512)).toEqual([
        sha512Of('c'),
        sha512Of('b'),
        sha512Of('a'),
      ]);
      expect((await contents().toScrub(50, 10)).map(({ sha512 }) => sha512)).toEqual([sha512Of('c'), sha512Of('b')]);
      expect(await contents().toScrub(60, 1)).toHaveLength(1);
    });

    test('marks bytes only where they still lie', async () => {
      const { address, blob } = await scene().version('alpha', 'a', 'a');
      const event = eventOf('blob', blob, 'rotten');
      await contents().mark(sha512Of('a'), 'elsewhere', 'rotten', 20, event);
      expect(await contents().get(sha512Of('a'))).toMatchObject({ state: 'good', scrubbedAt: null });
      await contents().mark(sha512Of('a'), address, 'rotten', 21, event);
      expect(await contents().get(sha512Of('a'))).toMatchObject({ state: 'rotten', scrubbedAt: 21 });
      expect((await scene().catalog.events.events('blob', blob, { limit: 1 }))[0]?.message).toBe('rotten');
    });

    test('lists contents by sha512, page by page', async () => {
      for (const text of ['a', 'b', 'c']) await scene().version('alpha', text, text);
      const first = await contents().list({ after: null, limit: 2 });
      const second = await contents().list({ after: first.at(-1)!.sha512, limit: 2 });
      expect([...first, ...second].map(({ sha512 }) => sha512)).toEqual(['a', 'b', 'c'].map(sha512Of).sort());
      expect((await blobs().many((await blobs().list('everything', everything)).map(({ uuid }) => uuid))).length).toBe(
        3,
      );
    });
  });
}
