/**
 * kill -9 before the steps that append, truncate, conversion, deletion, sweep, joining, small objects and multipart
 * uploads take at the ports: before two of four, and before each one when asked for more runs. What the victim
 * acknowledged before it died is compared with what the store holds when it is opened again.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { judge, run } from './verdict.ts';

const stride = process.env['STOWAGE_TEST_RUNS'] === undefined ? 4 : 2;

/** One run that is killed before `step`, and what is wrong afterwards. */
async function oneStep(step: number, sabotage: string): Promise<{ wrong: string[]; done: boolean }> {
  const folder = await mkdtemp(join(tmpdir(), 'stowage-kill-'));
  try {
    const facts = await run(folder, step, sabotage);
    const wrong = (await judge(folder, facts)).map((fault) => `killed at step ${step}: ${fault}`);
    return { wrong, done: facts.at(-1)?.did === 'all' };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Kills before one step after the other, from `first` on, until a run lives to its end or is found wrong. */
async function everyStep(first = 1, sabotage = ''): Promise<{ wrong: string[]; steps: number }> {
  for (let step = first; ; step += stride) {
    const pair = await Promise.all([oneStep(step, sabotage), oneStep(step + 1, sabotage)]);
    const wrong = pair.flatMap((one) => one.wrong);
    if (wrong.length > 0 || pair.some((one) => one.done)) return { wrong, steps: step };
  }
}

test('a kill before any step loses nothing that was acknowledged', async () => {
  const { wrong, steps } = await everyStep();
  expect(wrong).toEqual([]);
  expect(steps).toBeGreaterThan(100);
}, 600_000);

test.each([
  ['acknowledged before written', 1],
  ['stage dropped before the record', 50],
  ['bytes removed before the record', 110],
] as const)(
  'sabotaged, %s: found out',
  async (sabotage, first) => {
    expect((await everyStep(first, sabotage)).wrong).not.toEqual([]);
  },
  300_000,
);
