/** Number of rounds, random seed and report of torture tests. */
import { randomInt } from 'node:crypto';

const asked = process.env['STOWAGE_TORTURE_ROUNDS'];

/** Whether this is `npm run torture`, not the sample of `npm test`. */
export const tortured = asked !== undefined;

/** Rounds to run: `sample` in `npm test`, `full` in `npm run torture`, or the value of `--rounds`. */
export function rounds(sample: number, full: number): number {
  if (asked === undefined) return sample;
  return asked === 'full' ? full : Number(asked);
}

/** Timeout in milliseconds: a minute in `npm test`, four hours in `npm run torture`. */
export const patience = tortured ? 4 * 3_600_000 : 60_000;

/** Seed of this run; printed with a failure, and set with `--seed`. */
export const seed = Number(process.env['STOWAGE_TORTURE_SEED'] ?? randomInt(2 ** 31));

/** A repeatable sequence of numbers in [0, 1) (mulberry32). */
export function randomFrom(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** At most `count` of the steps 1 to `last`, evenly spread from a random start. */
export function stepsOf(last: number, count: number, random = randomFrom(seed)): number[] {
  if (count >= last) return Array.from({ length: last }, (_, at) => at + 1);
  const stride = last / count;
  const first = random() * stride;
  return Array.from({ length: count }, (_, at) => 1 + Math.floor(first + at * stride));
}

/** Prints one JSON line: test, rounds, faults and seed. */
export function report(test: string, figures: Readonly<Record<string, number | string>>): void {
  if (tortured) process.stdout.write(`${JSON.stringify({ test, ...figures, seed })}\n`);
}
