/** The contract of locks. */
import type { Locks } from '../../src/core/engine.ts';

export function locksContract(name: string, open: () => Locks): void {
  describe(`${name}: locks`, () => {
    test('a free key is taken at once, and only once without asking', async () => {
      const locks = open();
      const hold = await locks.tryTake('a');
      expect(hold).toBeDefined();
      expect(await locks.tryTake('a')).toBeUndefined();
      expect(hold!.asked.aborted).toBe(false);
      expect(locks.held('a')).toBe(true);
      expect(locks.held('b')).toBe(false);
      hold!.release();
      hold!.release();
      expect(locks.held('a')).toBe(false);
    });

    test('a newcomer makes the holder let go, and gets the key', async () => {
      const locks = open();
      const first = await locks.take('a');
      const second = locks.take('a');
      expect(first.asked.aborted).toBe(true);
      let entered = false;
      void second.then(() => (entered = true));
      await Promise.resolve();
      expect(entered).toBe(false);
      first.release();
      (await second).release();
      expect(locks.held('a')).toBe(false);
    });

    test('newcomers are served in order, one at a time, and each is asked by the next', async () => {
      const locks = open();
      const order: number[] = [];
      let inside = 0;
      await Promise.all(
        Array.from({ length: 50 }, async (_, n) => {
          const hold = await locks.take('a');
          inside += 1;
          expect(inside).toBe(1);
          order.push(n);
          if (n < 49)
            expect(
              hold.asked.aborted ||
                (await new Promise((resolve) => hold.asked.addEventListener('abort', () => resolve(true)))),
            ).toBe(true);
          inside -= 1;
          hold.release();
        }),
      );
      expect(order).toEqual(Array.from({ length: 50 }, (_, n) => n));
      expect(locks.held('a')).toBe(false);
    });

    test('keys do not touch each other', async () => {
      const locks = open();
      const a = await locks.take('a');
      const b = await locks.take('b');
      expect({ 'a asked aborted': a.asked.aborted, 'b asked aborted': b.asked.aborted }).toEqual({
        'a asked aborted': false,
        'b asked aborted': false,
      });
      a.release();
      b.release();
    });
  });
}
