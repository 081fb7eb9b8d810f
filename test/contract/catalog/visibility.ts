import type { Visibility } from '../../../src/core/engine.ts';
import { done, eventOf, everything, sha512Of } from './scene.ts';
import type { Scene } from './scene.ts';

export function sightContract(scene: () => Scene): void {
  describe('visibility', () => {
    const artifacts = () => scene().catalog.artifacts;
    const blobs = () => scene().catalog.blobs;
    const names = async (visibility: Visibility, filter: Parameters<Scene['catalog']['artifacts']['list']>[1] = {}) =>
      (await artifacts().list(visibility, filter, everything)).map(({ name }) => name).sort();

    /** alpha and trusting own a private and a shared artifact each; trusting trusts beta. */
    async function setUp(): Promise<Record<string, string>> {
      await scene().namespace('trusting', ['beta']);
      const made: Record<string, string> = {};
      for (const namespace of ['alpha', 'beta', 'trusting']) {
        for (const shared of [false, true]) {
          const name = `${namespace}-${shared ? 'shared' : 'private'}`;
          made[name] = (
            await scene().version(namespace, name, name, { shared, type: shared ? 'image' : 'other' })
          ).blob;
        }
      }
      return made;
    }

    test('reaches what one owns, what is shared, and what those own who trust one', async () => {
      const made = await setUp();
      const seen: readonly [Visibility, string[]][] = [
        ['everything', Object.keys(made)],
        [{ namespace: 'alpha' }, ['alpha-private', 'alpha-shared', 'beta-shared', 'trusting-shared']],
        [{ namespace: 'beta' }, ['alpha-shared', 'beta-private', 'beta-shared', 'trusting-private', 'trusting-shared']],
        [{ namespace: 'trusting' }, ['alpha-shared', 'beta-shared', 'trusting-private', 'trusting-shared']],
        [{ namespace: 'stranger' }, ['alpha-shared', 'beta-shared', 'trusting-shared']],
      ];
      for (const [visibility, expected] of seen) {
        expect(await names(visibility)).toEqual([...expected].sort());
        const listed = (await blobs().list(visibility, everything)).map(({ uuid }) => uuid);
        expect(listed).toEqual(expected.map((name) => made[name]!).sort());
        for (const [name, blob] of Object.entries(made)) {
          expect(await blobs().seen(blob, visibility)).toBe(expected.includes(name));
          const found = await blobs().withDigest({ algorithm: 'sha512', hex: sha512Of(name) }, visibility);
          expect(found?.uuid).toBe(expected.includes(name) ? blob : undefined);
        }
      }
    });

    test('is narrowed by namespace, name and type', async () => {
      await setUp();
      const beta = { namespace: 'beta' };
      expect(await names(beta, { type: 'other' })).toEqual(['beta-private', 'trusting-private']);
      expect(await names(beta, { namespace: 'trusting' })).toEqual(['trusting-private', 'trusting-shared']);
      expect(await names(beta, { namespace: 'alpha' })).toEqual(['alpha-shared']);
      expect(await names(beta, { namespace: 'alpha', type: 'other' })).toEqual([]);
      expect(await names(beta, { name: 'alpha-shared' })).toEqual(['alpha-shared']);
      expect(await names(beta, { name: 'alpha-private' })).toEqual([]);
      expect(await names(beta, { name: 'trusting-private', type: 'other' })).toEqual(['trusting-private']);
      expect(await names(beta, { name: 'trusting-private', type: 'image' })).toEqual([]);
      expect(await names('everything', { namespace: 'alpha' })).toEqual(['alpha-private', 'alpha-shared']);
      expect(await names('everything', { namespace: 'alpha', type: 'image' })).toEqual(['alpha-shared']);
      expect(await names('everything', { type: 'image' })).toEqual(['alpha-shared', 'beta-shared', 'trusting-shared']);
      expect(await names('everything', { name: 'beta-private' })).toEqual(['beta-private']);
      expect(await names('everything', { name: 'beta-private', namespace: 'alpha' })).toEqual([]);
    });

    test('pages meet every artifact and blob once, in order', async () => {
      await scene().namespace('trusting', ['alpha']);
      const expected = new Map<string, string>();
      for (let n = 0; n < 25; n += 1) {
        const type = (['image', 'snapshot', 'label', 'other'] as const)[n % 4]!;
        const { artifact, blob } = await scene().version(n % 3 ? 'alpha' : 'trusting', `n${n}`, `n${n}`, {
          type,
          shared: n % 2 === 0,
        });
        expected.set(artifact.uuid, blob);
      }
      for (const visibility of ['everything', { namespace: 'alpha' }] as const) {
        const uuids: string[] = [];
        const found: string[] = [];
        for (let after: string | null = null; ;) {
          const page = await artifacts().list(visibility, {}, { after, limit: 4 });
          if (page.length === 0) break;
          uuids.push(...page.map(({ uuid }) => uuid));
          after = uuids.at(-1)!;
        }
        for (let after: string | null = null; ;) {
          const page = await blobs().list(visibility, { after, limit: 4 });
          if (page.length === 0) break;
          found.push(...page.map(({ uuid }) => uuid));
          after = found.at(-1)!;
        }
        expect(uuids).toEqual([...expected.keys()].sort());
        expect(found).toEqual([...expected.values()].sort());
      }
    });

    test('follows sharing, trust and deletion at once', async () => {
      const { artifact, blob } = await scene().version('alpha', 'a', 'a');
      const beta = { namespace: 'beta' };
      const event = eventOf('artifact', artifact.uuid);
      expect(await blobs().seen(blob, beta)).toBe(false);
      await artifacts().setShared(artifact.uuid, true, event);
      expect(await blobs().seen(blob, beta)).toBe(true);
      expect(await names(beta)).toEqual(['a']);
      await scene().version('alpha', 'a', 'later');
      expect(await blobs().list(beta, everything)).toHaveLength(2);
      await artifacts().setShared(artifact.uuid, false, event);
      expect(await blobs().seen(blob, beta)).toBe(false);
      await scene().catalog.namespaces.trust('alpha', 'beta', true, event);
      expect(await blobs().seen(blob, beta)).toBe(true);
      await artifacts().remove(artifact.uuid, 20, event);
      for (const visibility of [beta, { namespace: 'alpha' }]) {
        expect(await blobs().seen(blob, visibility)).toBe(false);
        expect(await blobs().withDigest({ algorithm: 'sha512', hex: sha512Of('a') }, visibility)).toBeUndefined();
        expect(await blobs().list(visibility, everything)).toEqual([]);
        expect(await names(visibility)).toEqual([]);
      }
    });

    test('does not reach a blob through its content or its owner, only through a version', async () => {
      const mine = await scene().version('alpha', 'a', 'same');
      const theirs = await scene().version('beta', 'b', 'same');
      const digest = { algorithm: 'sha512', hex: sha512Of('same') } as const;
      expect((await blobs().withDigest(digest, { namespace: 'beta' }))?.uuid).toBe(theirs.blob);
      await artifacts().remove(theirs.artifact.uuid, 20, eventOf('artifact', theirs.artifact.uuid));
      expect(await blobs().withDigest(digest, { namespace: 'beta' })).toBeUndefined();
      done(await scene().publishBlob('beta', 'c', mine.blob));
      expect((await blobs().withDigest(digest, { namespace: 'beta' }))?.uuid).toBe(mine.blob);
    });

    test('finds bytes by any digest that is known, while they are good', async () => {
      const { blob, address } = await scene().version('alpha', 'a', 'bytes');
      const md5 = { algorithm: 'md5', hex: '0123456789abcdef0123456789abcdef' } as const;
      await blobs().addDigest(blob, md5.algorithm, md5.hex);
      await blobs().addDigest(blob, 'sha1', 'aa');
      await blobs().addDigest('no such blob', 'sha1', 'bb');
      expect((await blobs().get(blob))?.digests).toEqual({ md5: md5.hex, sha1: 'aa' });
      expect((await blobs().withDigest(md5, { namespace: 'alpha' }))?.uuid).toBe(blob);
      expect(await blobs().withDigest(md5, { namespace: 'beta' })).toBeUndefined();
      expect((await blobs().withDigest(md5, 'everything'))?.uuid).toBe(blob);
      await scene().catalog.contents.mark(sha512Of('bytes'), address, 'rotten', 12, null);
      expect(await blobs().withDigest(md5, 'everything')).toBeUndefined();
    });

    test('keeps the digests of one namespace from the blobs of another with the same bytes', async () => {
      const mine = await scene().version('alpha', 'a', 'same');
      const theirs = await scene().version('beta', 'b', 'same');
      const md5 = { algorithm: 'md5', hex: '0123456789abcdef0123456789abcdef' } as const;
      await blobs().addDigest(theirs.blob, md5.algorithm, md5.hex);
      expect((await blobs().get(mine.blob))?.digests).toEqual({});
      expect(await blobs().withDigest(md5, { namespace: 'alpha' })).toBeUndefined();
      expect((await blobs().withDigest(md5, { namespace: 'beta' }))?.uuid).toBe(theirs.blob);
    });
  });
}
