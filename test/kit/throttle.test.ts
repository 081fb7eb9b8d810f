import { Throttle } from '../../src/kit/throttle.ts';

const hour = 3_600_000;

test('a name that used its burst waits, and no other does', () => {
  const throttle = new Throttle({ burst: 10, window: 60_000, most: 100 });
  for (let n = 0; n < 10; n += 1) throttle.take('a', hour);
  expect(throttle.wait('a', hour)).toBeGreaterThan(5_000);
  expect(throttle.wait('b', hour)).toBe(0);
  expect(throttle.wait('a', hour + 6_000)).toBe(0);
});

test('a clock that is set back by more than the window locks nobody out', () => {
  const throttle = new Throttle({ burst: 10, window: 60_000, most: 100 });
  throttle.take('a', 2 * hour);
  expect(throttle.wait('a', hour)).toBe(0);
});
