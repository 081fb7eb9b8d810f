/** How long a torture test runs, where its random choices begin, and what it prints at the end. */
import { randomInt } from 'node:crypto';

const asked = process.env['STOWAGE_TORTURE_ROUNDS'];

/** Whether this run is `npm run torture`, and not the sample within `npm test`. */
export const tortured = asked !== undefined;

/** Rounds to run: `sample` in `npm test`, `full` in `npm run torture`, or what `--rounds` says. */
export function rounds(sample: number, full: number): number {
  if (asked === undefined) return sample;
  return asked === 'full' ? full : Number(asked);
}

/** Milliseconds that a torture test may take: a minute in `npm test`, four hours in `npm run torture`. */
export const patience = tortured ? 4 * 3_600_000 : 60_000;

/** Where this run's random choices begin; printed with a failure, and given again with `--seed`. */
export const seed = Number(process.env['STOWAGE_TORTURE_SEED'] ?? randomInt(2 ** 31));

/** A repeatable sequence of numbers from 0 up to 1 (mulberry32). */
export function randomFrom(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Which of the steps from 1 to `last` to try: all of them where there are no more than `count`, else `count` spread over them from a random one on. */
export function stepsOf(last: number, count: number, random = randomFrom(seed)): number[] {
  if (count >= last) return Array.from({ length: last }, (_, at) => at + 1);
  const stride = last / count;
  const first = random() * stride;
  return Array.from({ length: count }, (_, at) => 1 + Math.floor(first + at * stride));
}

/** Prints one JSON line: the test's name, its rounds, what went wrong, and the seed. */
export function report(test: string, figures: Readonly<Record<string, number | string>>): void {
  if (tortured) process.stdout.write(`${JSON.stringify({ test, ...figures, seed })}\n`);
}
