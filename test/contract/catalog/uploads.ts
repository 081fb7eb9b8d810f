import { randomUUID } from 'node:crypto';
import { contentOf, eventOf, everything } from './scene.ts';
import type { Scene } from './scene.ts';

export function uploadContract(scene: () => Scene): void {
  describe('uploads', () => {
    const uploads = () => scene().catalog.uploads;
    const move = (from: number, to: number, length: number | null = null, at = 20) => ({
      from,
      to,
      lastStart: from,
      length,
      at,
    });

    test('begin in a namespace that there is', async () => {
      const id = await scene().upload('alpha', 0);
      expect(await uploads().get(id)).toMatchObject({
        id,
        namespace: 'alpha',
        state: 'open',
        offset: 0,
        outcome: null,
      });
      expect(await uploads().get(randomUUID())).toBeUndefined();
      await expect(scene().upload('nobody', 0)).rejects.toMatchObject({ name: 'Refusal', reason: 'not_found' });
    });

    test('advance from where they stand, and from nowhere else', async () => {
      const id = await scene().upload('alpha', 0);
      expect(await uploads().advance(id, move(0, 5))).toBeDefined();
      expect(await uploads().advance(id, move(0, 5))).toBeUndefined();
      expect(await uploads().get(id)).toMatchObject({ offset: 5, lastStart: 0, lastAnswered: false, touchedAt: 20 });
      expect(await uploads().advance(id, { from: 5, to: 2, lastStart: null, length: null, at: 21 })).toBeDefined();
      expect(await uploads().get(id)).toMatchObject({ offset: 2, lastStart: null, touchedAt: 21 });
      expect(await uploads().advance(randomUUID(), move(0, 5))).toBeUndefined();
    });

    test('of many that race for an offset, one advances', async () => {
      const id = await scene().upload('alpha', 0);
      const races = Array.from({ length: 16 }, (_, n) => uploads().advance(id, move(0, n + 1)));
      const won = (await Promise.all(races)).flatMap((ok, n) => (ok ? [n + 1] : []));
      expect(won).toHaveLength(1);
      expect((await uploads().get(id))?.offset).toBe(won[0]);
    });

    test('that wait to be joined of others are found by each of them, page by page, while they are open', async () => {
      const [one, two] = [randomUUID(), randomUUID()];
      const waits = async (...parts: string[]): Promise<string> => {
        const upload = { ...(await uploads().get(await scene().upload('alpha', 0)))!, id: randomUUID() };
        await uploads().begin(upload, { parts });
        return upload.id;
      };
      const found = async (part: string, page = everything): Promise<string[]> =>
        (await uploads().waiting('alpha', part, page)).map(({ id }) => id);
      const both = await waits(one, two, one);
      const other = await waits(two);
      expect(await found(one)).toEqual([both]);
      expect(await found(two)).toEqual([both, other].sort());
      expect(await uploads().waiting('beta', two, everything)).toEqual([]);
      expect(await uploads().waiting(null, two, everything)).toHaveLength(2);
      const [first, second] = await found(two);
      expect(await found(two, { after: null, limit: 1 })).toEqual([first]);
      expect(await found(two, { after: first!, limit: 1 })).toEqual([second]);
      await uploads().drop(both, eventOf('upload', both));
      expect(await found(one)).toEqual([]);
      expect(await uploads().forget(Number.MAX_SAFE_INTEGER)).toBe(1);
      expect(await found(two)).toEqual([other]);
    });

    test('an upload takes a length once', async () => {
      const id = await scene().upload('alpha', 0);
      expect(await uploads().advance(id, move(0, 5, 10))).toBeDefined();
      expect(await uploads().advance(id, move(5, 6, 11))).toBeUndefined();
      expect(await uploads().advance(id, move(5, 6, 10))).toBeDefined();
      expect(await uploads().advance(id, move(6, 7))).toBeDefined();
      expect((await uploads().get(id))?.length).toBe(10);
    });

    test('remember which answers arrived, unless the offset moved on', async () => {
      const [one, two] = [await scene().upload('alpha', 0), await scene().upload('alpha', 0)];
      await uploads().advance(one, move(0, 5));
      await uploads().advance(two, move(0, 5));
      await uploads().advance(two, move(5, 6));
      await uploads().answered([
        [one, 5],
        [two, 5],
        [randomUUID(), 1],
      ]);
      expect((await uploads().get(one))?.lastAnswered).toBe(true);
      expect((await uploads().get(two))?.lastAnswered).toBe(false);
    });

    test('are listed open, by id, page by page, of one namespace or of all', async () => {
      const ids: string[] = [];
      for (let n = 0; n < 7; n += 1) ids.push(await scene().upload(n < 5 ? 'alpha' : 'beta', 0));
      await uploads().drop(ids[0]!, eventOf('upload', ids[0]!));
      const mine = ids.slice(1, 5).sort();
      const first = await uploads().list('alpha', { after: null, limit: 3 });
      const second = await uploads().list('alpha', { after: first.at(-1)!.id, limit: 3 });
      expect([...first, ...second].map(({ id }) => id)).toEqual(mine);
      expect((await uploads().list(null, everything)).map(({ id }) => id)).toEqual(ids.slice(1).sort());
    });

    test('are idle by their last touch, and are not dropped when touched since', async () => {
      const old = await scene().upload('alpha', 0, 5);
      const young = await scene().upload('alpha', 0, 15);
      expect((await uploads().idle(10, everything)).map(({ id }) => id)).toEqual([old]);
      expect(await uploads().drop(young, eventOf('upload', young), 10)).toBe(false);
      expect(await uploads().drop(old, eventOf('upload', old, 'idle'), 10)).toBe(true);
      expect(await uploads().drop(old, eventOf('upload', old, 'again'))).toBe(false);
      expect((await uploads().get(old))?.state).toBe('dropped');
      expect(await uploads().advance(old, move(0, 1))).toBeUndefined();
      expect((await scene().catalog.events.events('upload', old, { limit: 5 })).map(({ message }) => message)).toEqual([
        'idle',
      ]);
    });

    test('lose their offset only downwards', async () => {
      const id = await scene().upload('alpha', 9);
      await uploads().damaged(id, 12, eventOf('upload', id));
      expect((await uploads().get(id))?.offset).toBe(9);
      await uploads().damaged(id, 4, eventOf('upload', id, 'lost'));
      expect((await uploads().get(id))?.offset).toBe(4);
      expect(await scene().catalog.events.events('upload', id, { limit: 5 })).toMatchObject([{ message: 'lost' }]);
    });

    test('are forgotten some time after their end', async () => {
      const open = await scene().upload('alpha', 0);
      const dropped = await scene().upload('alpha', 0);
      await uploads().drop(dropped, eventOf('upload', dropped, 'dropped', 30));
      const sealed = await scene().upload('alpha', 1);
      await scene().publishUpload('alpha', 'a', sealed, contentOf('x'), { at: 40 });
      expect(await uploads().forget(31)).toBe(1);
      expect(await uploads().get(dropped)).toBeUndefined();
      expect((await uploads().get(sealed))?.state).toBe('sealed');
      expect(await uploads().forget(100)).toBe(1);
      expect((await uploads().get(open))?.state).toBe('open');
    });
  });
}
