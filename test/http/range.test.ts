import fc from 'fast-check';
import { parseRange } from '../../src/kit/range.ts';

describe('a Range field', () => {
  test.each([
    ['bytes=0-0', 10, { first: 0, last: 0 }],
    ['bytes=2-5', 10, { first: 2, last: 5 }],
    ['bytes=2-', 10, { first: 2, last: 9 }],
    ['bytes=2-99999999999999999999', 10, { first: 2, last: 9 }],
    ['bytes=-3', 10, { first: 7, last: 9 }],
    ['bytes=-30', 10, { first: 0, last: 9 }],
    ['BYTES = 1-2 ', 10, { first: 1, last: 2 }],
    ['bytes=10-', 10, 'unsatisfiable'],
    ['bytes=99999999999999999999-', 10, 'unsatisfiable'],
    ['bytes=-0', 10, 'unsatisfiable'],
    ['bytes=-5', 0, undefined],
    ['bytes=-0', 0, 'unsatisfiable'],
    ['bytes=0-', 0, 'unsatisfiable'],
    ['bytes=5-2', 10, undefined],
    ['bytes=-', 10, undefined],
    ['bytes=', 10, undefined],
    ['bytes=0-1,3-4', 10, undefined],
    ['bytes=0x1-2', 10, undefined],
    ['bytes=1-2-3', 10, undefined],
    ['bytes=+1-2', 10, undefined],
    ['bytes=1.5-2', 10, undefined],
    ['seconds=0-1', 10, undefined],
    ['', 10, undefined],
  ])('%s of %i bytes', (field, size, expected) => {
    expect(parseRange(field, size)).toEqual(expected);
  });

  test('whatever it says, what comes out lies inside', () => {
    const number = fc.oneof(fc.constant(''), fc.nat().map(String), fc.bigInt({ min: 0n, max: 1n << 70n }).map(String));
    fc.assert(
      fc.property(fc.tuple(number, number), fc.nat(), ([from, to], size) => {
        const range = parseRange(`bytes=${from}-${to}`, size);
        if (range === undefined || range === 'unsatisfiable') return;
        expect(range.first).toBeGreaterThanOrEqual(0);
        expect(range.last).toBeGreaterThanOrEqual(range.first);
        expect(range.last).toBeLessThan(size);
        expect(Number.isSafeInteger(range.last - range.first)).toBe(true);
      }),
    );
  });

  test('a range that lies inside is given as it is asked', () => {
    fc.assert(
      fc.property(fc.nat(1e9), fc.nat(1e9), fc.integer({ min: 1, max: 1e9 }), (first, length, rest) => {
        const last = first + length;
        expect(parseRange(`bytes=${first}-${last}`, last + rest)).toEqual({ first, last });
      }),
    );
  });

  test('nonsense is never an exception', () => {
    fc.assert(fc.property(fc.string(), fc.nat(), (field, size) => void parseRange(field, size)));
  });
});
