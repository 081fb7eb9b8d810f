import fc from 'fast-check';
import { SendWindow } from '../../src/client/window.ts';

describe('the window over a stream', () => {
  test('gives the bytes that are under way, from anywhere in it', () => {
    const step = fc.oneof(
      fc.record({ push: fc.uint8Array({ maxLength: 20 }) }),
      fc.record({ settle: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.record({ from: fc.double({ min: 0, max: 1, noNaN: true }), most: fc.integer({ min: 1, max: 40 }) }),
    );
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const window = new SendWindow();
        let all = Buffer.alloc(0);
        for (const now of steps) {
          const inside = (share: number): number => window.base + Math.floor((window.end - window.base) * share);
          if ('push' in now) {
            window.push(now.push);
            all = Buffer.concat([all, now.push]);
          } else if ('settle' in now) {
            const offset = inside(now.settle);
            window.settle(offset);
            expect(window.base).toBe(offset);
          } else {
            const from = inside(now.from);
            const found = Buffer.concat(window.slice(from, now.most)!);
            expect(found.equals(all.subarray(from, Math.min(all.length, from + now.most)))).toBe(true);
          }
          expect(window.end).toBe(all.length);
        }
      }),
    );
  });

  test('bytes outside the window are not there', () => {
    const window = new SendWindow();
    window.push(Buffer.from('abcdef'));
    window.settle(3);
    expect(window.slice(2, 10)).toBeUndefined();
    expect(window.slice(7, 10)).toBeUndefined();
    expect(window.slice(6, 10)).toEqual([]);
    expect(() => window.settle(7)).toThrow(RangeError);
  });
});
