/** Targets of the numbers, and by how much each is met or missed. */
import { verifying } from './job.ts';
import { appendSpeed, finish, median, peak, question, seconds, speed, type Metric, type Results } from './results.ts';

export interface Verdict {
  readonly target: string;
  readonly wanted: string;
  readonly measured: string;
  /** Undefined where somebody needed did not run, or where nothing was wanted but the number. */
  readonly met: boolean | undefined;
}

/** What is printed in the place of a number that there is none of. */
export const notMeasured = 'not measured';

const strict = 'stowage strict';
const relaxed = 'stowage relaxed';

export function verdicts(results: Results): Verdict[] {
  const ratio = (
    target: string,
    row: string,
    metric: Metric,
    a: string,
    b: string,
    bound?: { atLeast?: number; atMost?: number },
  ): Verdict => judged(target, results.ratio(row, metric, a, b), 2, '', bound);
  /** What verification costs: both downloads are of one server, one after the other. */
  const verified = (
    target: string,
    which: 'first' | 'later',
    what: 'time' | 'processor',
    bound?: { atLeast?: number },
  ): Verdict => {
    const [checked, plain] = [question(verifying[which][what]), question(verifying.not[what])];
    const ratios = results.values('verify', strict, (sample) =>
      what === 'time' ? plain(sample) / checked(sample) : checked(sample) / plain(sample),
    );
    return judged(target, median(ratios), 2, '', bound);
  };
  return [
    ratio('1 GiB to a converted artifact, strict: time / sha512 alone', 'one', seconds, strict, 'sha512 alone', {
      atMost: 1.1,
    }),
    ratio('1 GiB to a converted artifact, strict: time / docker-registry', 'one', seconds, strict, 'docker-registry', {
      atMost: 0.4,
    }),
    ratio('1 GiB append, relaxed: speed / tusd', 'one', appendSpeed, relaxed, 'tusd', { atLeast: 1 }),
    ratio('1 GiB append, relaxed: speed / @tus/server', 'one', appendSpeed, relaxed, '@tus/server', { atLeast: 1.8 }),
    ratio('1,000 x 1 MiB, strict: speed / @tus/server', 'chunks', appendSpeed, strict, '@tus/server', { atLeast: 1.5 }),
    ratio('1,000 x 1 MiB, relaxed: speed / tusd', 'chunks', appendSpeed, relaxed, 'tusd', { atLeast: 0.8 }),
    ...['1M', '100M', '1G', '4G'].map((size) =>
      judged(
        `conversion of ${size}, hash caught up, strict`,
        results.median(`convert-${size}`, strict, finish),
        1,
        ' ms',
        { atMost: 50 },
      ),
    ),
    ratio('download whole: speed / bare file stream', 'download', speed, strict, 'bare node:http', { atLeast: 0.95 }),
    ratio('download whole: speed / nginx', 'download', speed, strict, 'nginx DAV'),
    ratio('download from an offset: speed / bare file stream', 'download-from', speed, strict, 'bare node:http', {
      atLeast: 0.95,
    }),
    ratio('download from an offset: speed / nginx', 'download-from', speed, strict, 'nginx DAV'),
    verified('download whole, verified by CRC-32: speed / not verified', 'later', 'time', { atLeast: 0.9 }),
    verified('download whole, verified by CRC-32: processor time / not verified', 'later', 'processor'),
    verified('download whole, the first time (SHA-512): speed / not verified', 'first', 'time'),
    verified('download whole, the first time (SHA-512): processor time / not verified', 'first', 'processor'),
    judged('peak memory at one upload of 1 GiB, strict', results.median('one', strict, peak), 0, ' MiB', {
      atMost: 150,
    }),
    judged(
      'peak memory at 64 uploads / at 4, strict',
      results.median('many-64', strict, peak) / results.median('many-4', strict, peak),
      2,
      '',
      { atMost: 1.15 },
    ),
    judged(
      'catalog, the question that grows most: time in the large one / in the small one',
      Math.max(
        ...results.questions('catalog').map((name) => results.ratio('catalog', question(name), 'large', 'small')),
      ),
      2,
      '',
      { atMost: 1.5 },
    ),
  ];
}

function judged(
  target: string,
  value: number,
  digits: number,
  unit: string,
  bound: { atLeast?: number; atMost?: number } = {},
): Verdict {
  const { atLeast, atMost } = bound;
  const wanted =
    atLeast !== undefined ? `at least ${atLeast}${unit}` : atMost !== undefined ? `at most ${atMost}${unit}` : '';
  const judge =
    !Number.isFinite(value) || wanted === ''
      ? undefined
      : value >= (atLeast ?? -Infinity) && value <= (atMost ?? Infinity);
  return {
    target,
    wanted,
    measured: !Number.isFinite(value) ? notMeasured : `${value.toFixed(digits)}${unit}`,
    met: judge,
  };
}
