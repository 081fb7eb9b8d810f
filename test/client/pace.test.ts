import fc from 'fast-check';
import { Pace } from '../../src/client/pace.ts';

const MiB = 1024 * 1024;

describe('the pace', () => {
  test('grows on a fast line, four times a step at most, up to 64 MiB', () => {
    const pace = new Pace();
    const seen: number[] = [];
    for (let turn = 0; turn < 5; turn += 1) {
      seen.push(pace.next / MiB);
      pace.took(pace.next, 10);
    }
    expect(seen).toEqual([1, 4, 16, 64, 64]);
  });

  test('settles where a request takes some seconds', () => {
    const pace = new Pace();
    const perSecond = 2 * MiB;
    for (let turn = 0; turn < 10; turn += 1) pace.took(pace.next, (pace.next / perSecond) * 1000);
    expect(pace.next).toBe(8 * MiB);
  });

  test('a short last request says nothing about the line', () => {
    const pace = new Pace();
    pace.took(10, 1);
    expect(pace.next).toBe(MiB);
  });

  test('stays within its bounds, and below what was refused', () => {
    const act = fc.oneof(
      fc.record({ ms: fc.integer({ min: 0, max: 100_000 }) }),
      fc.constant('failed' as const),
      fc.constant('refused' as const),
    );
    fc.assert(
      fc.property(fc.array(act), (acts) => {
        const pace = new Pace({ first: 500, least: 64, most: 4096 });
        let ceiling = 4096;
        for (const now of acts) {
          if (now === 'failed') pace.failed();
          else if (now === 'refused') {
            const at = pace.next;
            if (pace.refused()) ceiling = Math.min(ceiling, Math.max(64, at / 2));
            else expect(at).toBe(64);
          } else pace.took(pace.next, now.ms);
          expect(pace.next).toBeGreaterThanOrEqual(64);
          expect(pace.next).toBeLessThanOrEqual(Math.ceil(ceiling));
        }
      }),
    );
  });
});
