import fc from 'fast-check';
import {
  formatFacts,
  formatSpan,
  formatTable,
  formatTime,
  formatTook,
  printable,
  quoted,
} from '../../src/cli/format.ts';
import { drawLine, Progress, Rate } from '../../src/cli/progress.ts';
import { PassThrough } from 'node:stream';

const MiB = 1024 * 1024;

test('durations and times have one short form', () => {
  expect([0, 999, 65_000, 3_905_000].map(formatSpan)).toEqual(['0:00', '0:01', '1:05', '1:05:05']);
  expect([420, 9_949, 9_950, 75_000].map(formatTook)).toEqual(['0.4 s', '9.9 s', '0:10', '1:15']);
  expect(formatTime(0)).toBe('1970-01-01 00:00:00');
  expect([null, undefined, Number.NaN].map(formatTime)).toEqual(['-', '-', '-']);
});

test('tables line up, numbers and sizes to the right', () => {
  expect(
    formatTable(
      ['NAME', 'N', 'SIZE'],
      [
        ['a', 5, '1.0 KiB'],
        ['long name', 12, undefined],
      ],
    ),
  ).toBe(['NAME        N     SIZE', 'a           5  1.0 KiB', 'long name  12        -'].join('\n'));
  expect(
    formatFacts([
      ['a', 1],
      ['long', undefined],
    ]),
  ).toBe('a     1\nlong  -');
});

test('nothing that comes from others reaches the terminal as a command', () => {
  expect(printable('a\u001b[2J\nb\u202e')).toBe('a\\u001b[2J\\u000ab\\u202e');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => !/[\u0000-\u001f\u007f-\u009f]/.test(printable(text))),
  );
});

test('words that a shell would change are quoted', () => {
  expect(['plain-1.0/x', 'two words', "it's", ''].map(quoted)).toEqual([
    'plain-1.0/x',
    "'two words'",
    "'it'\\''s'",
    "''",
  ]);
});

test('a bar fits, whatever the width', () => {
  expect(drawLine('sending', 512 * MiB, 1024 * MiB, 100 * MiB, 100)).toBe(
    'sending [===============               ]  50%  512 MiB of 1.0 GiB     100 MiB/s  0:05 left',
  );
  expect(drawLine('sending', 5 * MiB, undefined, 2 * MiB, 80)).toBe('sending 5.0 MiB  2.0 MiB/s');
  expect(drawLine('sending', 0, 0, undefined, 80)).toContain('100%');
  fc.assert(
    fc.property(
      fc.nat(),
      fc.nat(),
      fc.double({ min: 0, max: 1e12, noNaN: true }),
      fc.integer({ min: 20, max: 200 }),
      (done, total, rate, columns) => {
        return drawLine('receiving', done, total, rate, columns).length < columns;
      },
    ),
  );
});

test('the rate is of the last seconds', () => {
  const rate = new Rate();
  expect(rate.perSecond).toBeUndefined();
  for (let second = 0; second <= 10; second += 1) rate.mark(second * 1000, second * 100);
  expect(rate.perSecond).toBe(100);
  for (let second = 11; second <= 20; second += 1) rate.mark(second * 1000, 1000 + (second - 10) * 500);
  expect(rate.perSecond).toBe(500);
  rate.mark(21_000, 10);
  expect(rate.perSecond).toBeUndefined();
});

test('nothing is drawn where there is no terminal', () => {
  const plain = new PassThrough();
  new Progress(plain).show('sending', 1, 2);
  expect(plain.read()).toBeNull();
  const terminal = Object.assign(new PassThrough(), { isTTY: true, columns: 0 });
  const progress = new Progress(terminal);
  progress.show('sending', 1, 2);
  progress.show('sending', 1, 2);
  progress.clear();
  expect(String(terminal.read())).toMatch(/^\rsending \[.*\u001b\[K\r\u001b\[K$/);
});
