import type { Event } from '../../../src/catalog/model.ts';
import { eventOf } from './scene.ts';
import type { Scene } from './scene.ts';

export function journalContract(scene: () => Scene): void {
  describe('journal', () => {
    const journal = () => scene().catalog.events;

    test('answers events newest first, of one type or of all', async () => {
      const events: Event[] = Array.from({ length: 9 }, (_, n) => ({
        ...eventOf('artifact', 'x', `m${n}`, n),
        type: n % 3 === 0 ? 'usage' : 'audit',
        duration: n / 2,
        extra: { n, ok: true, none: null, word: 'w' },
      }));
      await journal().record(events);
      await journal().record([eventOf('artifact', 'y'), eventOf('blob', 'x')]);
      expect(await journal().events('artifact', 'x', { limit: 100 })).toEqual([...events].reverse());
      expect((await journal().events('artifact', 'x', { limit: 2 })).map(({ message }) => message)).toEqual([
        'm8',
        'm7',
      ]);
      expect(
        (await journal().events('artifact', 'x', { type: 'usage', limit: 2 })).map(({ message }) => message),
      ).toEqual(['m6', 'm3']);
    });

    test('events are forgotten by age', async () => {
      await journal().record(Array.from({ length: 2500 }, (_, n) => eventOf('upload', 'x', `m${n}`, n)));
      expect(await journal().forget(2400)).toBe(2400 + 2);
      expect(await journal().events('upload', 'x', { limit: 200 })).toHaveLength(100);
    });

    test('metadata is kept by key', async () => {
      const {
        blob,
        artifact: { uuid },
      } = await scene().version('alpha', 'a', 'bytes');
      const set = (key: string, value: string | undefined) =>
        journal().setMetadata('blob', blob, key, value, eventOf('blob', blob, `${key} noted`));
      for (const [key, value] of [
        ['b', '1'],
        ['a', '2'],
        ['b', '3'],
      ] as const)
        expect(await set(key, value)).toBe(true);
      await journal().setMetadata('artifact', uuid, 'c', '4');
      expect(await journal().metadata('blob', blob)).toEqual({ a: '2', b: '3' });
      await set('b', undefined);
      await set('unknown', undefined);
      expect(await journal().metadata('blob', blob)).toEqual({ a: '2' });
      expect((await journal().events('blob', blob, { limit: 1 }))[0]?.message).toBe('unknown noted');
    });

    test('keeps no metadata of what is not there', async () => {
      for (const subject of ['artifact', 'blob', 'namespace'] as const)
        expect(await journal().setMetadata(subject, 'nothing', 'k', 'v')).toBe(false);
      expect(await journal().metadata('blob', 'nothing')).toEqual({});
    });

    test('counts the texts of notes as stored bytes, and refuses what is too much', async () => {
      const {
        blob,
        artifact: { uuid },
      } = await scene().version('alpha', 'a', '12345');
      const usage = async () => (await scene().catalog.usage.get('alpha'))!;
      const { records } = await usage();
      await journal().setMetadata('blob', blob, 'k', 'four');
      await journal().setMetadata('artifact', uuid, 'k', 'é');
      await journal().setMetadata('namespace', 'alpha', 'k', 'n');
      expect(await usage()).toMatchObject({ stored: 5 + 5 + 3 + 2, records: records + 3 * 512 });
      await journal().setMetadata('blob', blob, 'k', 'ten letters');
      await journal().setMetadata('namespace', 'alpha', 'k', undefined);
      expect(await usage()).toMatchObject({ stored: 5 + 12 + 3, records: records + 2 * 512 });
      await scene().catalog.usage.setLimits('alpha', { quota: 20 }, eventOf('namespace', 'alpha'));
      await expect(journal().setMetadata('blob', blob, 'k', 'ten letters!')).rejects.toMatchObject({
        reason: 'over_quota',
      });
      expect(await journal().setMetadata('blob', blob, 'k', 'short')).toBe(true);
      expect(await usage()).toMatchObject({ stored: 5 + 6 + 3, records: records + 2 * 512 });
    });
  });
}
