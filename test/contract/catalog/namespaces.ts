import type { Credential } from '../../../src/catalog/model.ts';
import { done, eventOf, everything } from './scene.ts';
import type { Scene } from './scene.ts';

const key = (namespace: string, name: string, nonce = 'n1'): Credential => ({
  namespace,
  name,
  verifier: 'v',
  nonce,
  createdAt: 3,
});

export function namespaceContract(scene: () => Scene): void {
  describe('namespaces', () => {
    const names = () => scene().catalog.namespaces;
    const event = eventOf('namespace', 'alpha');

    test('are created once, with their keys', async () => {
      const made = { name: 'gamma', createdAt: 5, trusts: ['alpha'] };
      expect(
        await names().create(made, [key('gamma', 'b'), key('gamma', 'a')], eventOf('namespace', 'gamma', 'made')),
      ).toBe(true);
      expect(
        await names().create({ ...made, createdAt: 6 }, [key('gamma', 'c')], eventOf('namespace', 'gamma', 'again')),
      ).toBe(false);
      expect(await names().get('gamma')).toEqual(made);
      expect((await names().credentials('gamma')).map((credential) => credential.name)).toEqual(['a', 'b']);
      const events = await scene().catalog.events.events('namespace', 'gamma', { limit: 10 });
      expect(events.map((noted) => noted.message)).toEqual(['made']);
    });

    test('one of many that race for a name wins', async () => {
      const races = Array.from({ length: 8 }, (_, n) =>
        names().create({ name: 'race', createdAt: n, trusts: [] }, [], event),
      );
      expect((await Promise.all(races)).filter(Boolean)).toHaveLength(1);
    });

    test('keys are put, replaced and dropped', async () => {
      expect(await names().putCredential(key('alpha', 'k'), event)).toBe(true);
      expect(await names().putCredential(key('alpha', 'k', 'n2'), event)).toBe(true);
      expect(await names().credential('alpha', 'k')).toEqual(key('alpha', 'k', 'n2'));
      expect(await names().putCredential(key('nobody', 'k'), event)).toBe(false);
      expect(await names().dropCredential('alpha', 'k', event)).toBe(true);
      expect(await names().dropCredential('alpha', 'k', event)).toBe(false);
      expect(await names().credential('alpha', 'k')).toBeUndefined();
    });

    test('a verifier is replaced only while its key is the same one', async () => {
      const seen = key('alpha', 'k');
      await names().putCredential(seen, event);
      expect(await names().reverify({ ...seen, verifier: 'other' })).toBe(true);
      expect(await names().credential('alpha', 'k')).toEqual({ ...seen, verifier: 'other' });
      await names().putCredential(key('alpha', 'k', 'n2'), event);
      expect(await names().reverify({ ...seen, verifier: 'late' })).toBe(false);
      expect(await names().credential('alpha', 'k')).toEqual(key('alpha', 'k', 'n2'));
      await names().dropCredential('alpha', 'k', event);
      expect(await names().reverify({ ...seen, verifier: 'late' })).toBe(false);
    });

    test('trust is given and taken, and is listed for whom it helps', async () => {
      expect((await names().trust('alpha', 'beta', true, event))?.trusts).toEqual(['beta']);
      expect((await names().trust('alpha', 'beta', true, event))?.trusts).toEqual(['beta']);
      expect((await names().list({ namespace: 'beta' }, everything)).map(({ name }) => name)).toEqual([
        'alpha',
        'beta',
      ]);
      expect((await names().list({ namespace: 'alpha' }, everything)).map(({ name }) => name)).toEqual(['alpha']);
      expect((await names().trust('alpha', 'beta', false, event))?.trusts).toEqual([]);
      expect((await names().list({ namespace: 'beta' }, everything)).map(({ name }) => name)).toEqual(['beta']);
      expect(await names().trust('nobody', 'beta', true, event)).toBeUndefined();
      expect(await names().trust('alpha', 'nobody', true, event)).toBeUndefined();
      const events = await scene().catalog.events.events('namespace', 'alpha', { limit: 10 });
      expect(events).toHaveLength(3);
    });

    test('are listed by name, page by page', async () => {
      for (const name of ['e', 'd', 'c']) await scene().namespace(name);
      const first = await names().list('everything', { after: null, limit: 3 });
      const second = await names().list('everything', { after: first.at(-1)!.name, limit: 3 });
      expect([...first, ...second].map(({ name }) => name)).toEqual(['alpha', 'beta', 'c', 'd', 'e']);
    });

    test('take everything along but the bytes, which the sweep takes later', async () => {
      const { catalog } = scene();
      const mine = await scene().version('alpha', 'mine', 'bytes');
      const lent = done(await scene().publishBlob('beta', 'lent', mine.blob));
      const alone = await scene().version('alpha', 'alone', 'other bytes');
      const upload = await scene().upload('alpha', 3);
      await names().putCredential(key('alpha', 'k'), event);
      await names().trust('beta', 'alpha', true, event);
      await catalog.events.setMetadata('namespace', 'alpha', 'm', '1');
      await catalog.events.setMetadata('artifact', mine.artifact.uuid, 'm', '1');
      await catalog.events.setMetadata('blob', mine.blob, 'm', '1');

      expect(await names().remove('alpha', eventOf('namespace', 'alpha', 'gone', 50))).toEqual([upload]);
      expect(await names().remove('alpha', event)).toBeUndefined();
      expect(await names().get('alpha')).toBeUndefined();
      expect(await names().credentials('alpha')).toEqual([]);
      expect(await catalog.uploads.get(upload)).toBeUndefined();
      expect(await catalog.events.metadata('namespace', 'alpha')).toEqual({});
      expect(await catalog.artifacts.get(mine.artifact.uuid)).toMatchObject({ state: 'deleted', deletedAt: 50 });
      expect(await scene().indexes(mine.artifact.uuid)).toEqual([1]);
      expect((await catalog.blobs.get(mine.blob))?.references).toBe(1);
      expect((await catalog.blobs.sweep(51, 10)).contents.map(({ address }) => address)).toEqual([alone.address]);
      expect((await catalog.artifacts.versions([lent.artifact.uuid]))[lent.artifact.uuid]).toMatchObject([
        { references: 1 },
      ]);

      // A later namespace of the same name inherits no trust, artifacts, or metadata on them or on blobs of the same
      // bytes.
      for (const [subject, id] of [
        ['artifact', mine.artifact.uuid],
        ['blob', mine.blob],
      ] as const)
        expect(await catalog.events.metadata(subject, id)).toEqual({});
      expect((await catalog.artifacts.get(mine.artifact.uuid))?.namespace).not.toBe('alpha');
      await scene().namespace('alpha');
      expect((await names().get('beta'))?.trusts).toEqual([]);
      expect(await catalog.artifacts.list({ namespace: 'alpha' }, {}, everything)).toEqual([]);
      expect(await catalog.blobs.list({ namespace: 'alpha' }, everything)).toEqual([]);
      expect((await scene().version('alpha', 'mine', 'bytes')).blob).not.toBe(mine.blob);
    });
  });
}
