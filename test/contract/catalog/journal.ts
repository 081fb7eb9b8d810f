import type { Event } from '../../../src/core/model.ts';
import { eventOf } from './scene.ts';
import type { Scene } from './scene.ts';

export function journalContract(scene: () => Scene): void {
  describe('journal', () => {
    const journal = () => scene().catalog.journal;

    test('answers events newest first, of one type or of all', async () => {
      const events: Event[] = Array.from({ length: 9 }, (_, n) => ({
        ...eventOf('artifact', 'x', `m${n}`, n), type: n % 3 === 0 ? 'usage' : 'audit', duration: n / 2, extra: { n, ok: true, none: null, word: 'w' },
      }));
      await journal().record(events);
      await journal().record([eventOf('artifact', 'y'), eventOf('blob', 'x')]);
      expect(await journal().events('artifact', 'x', { limit: 100 })).toEqual([...events].reverse());
      expect((await journal().events('artifact', 'x', { limit: 2 })).map(({ message }) => message)).toEqual(['m8', 'm7']);
      expect((await journal().events('artifact', 'x', { type: 'usage', limit: 2 })).map(({ message }) => message)).toEqual(['m6', 'm3']);
    });

    test('forgets what is old', async () => {
      await journal().record(Array.from({ length: 2500 }, (_, n) => eventOf('upload', 'x', `m${n}`, n)));
      expect(await journal().forget(2400)).toBe(2400 + 2);
      expect(await journal().events('upload', 'x', { limit: 200 })).toHaveLength(100);
    });

    test('keeps metadata by key', async () => {
      await journal().setMetadata('blob', 'x', 'b', '1');
      await journal().setMetadata('blob', 'x', 'a', '2');
      await journal().setMetadata('blob', 'x', 'b', '3');
      await journal().setMetadata('artifact', 'x', 'c', '4');
      expect(await journal().metadata('blob', 'x')).toEqual({ a: '2', b: '3' });
      await journal().setMetadata('blob', 'x', 'b', undefined);
      await journal().setMetadata('blob', 'x', 'unknown', undefined);
      expect(await journal().metadata('blob', 'x')).toEqual({ a: '2' });
    });
  });
}
