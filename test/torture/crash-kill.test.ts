/**
 * kill -9 before the port calls of append, truncate, conversion, deletion, sweep, joining, small objects and multipart
 * uploads: before each one in `npm run torture`, before some in `npm test`. Compares what the victim acknowledged with
 * the reopened store.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { judge, run } from '../crash/verdict.ts';
import { patience, report, rounds, seed, stepsOf, tortured } from '../support/torture.ts';

/** One run that is killed before `step`, and what is wrong afterwards; `last` is the number of steps of a run that lived. */
async function killedBefore(step: number, sabotage = ''): Promise<{ wrong: string[]; last: number | undefined }> {
  const folder = await mkdtemp(join(tmpdir(), 'stowage-kill-'));
  try {
    const facts = await run(folder, step, sabotage);
    const wrong = (await judge(folder, facts)).map((fault) => `killed before step ${step}: ${fault}`);
    return { wrong, last: facts.at(-1)?.did === 'all' ? facts.at(-1)!.steps : undefined };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test(
  'a kill before any step loses nothing that was acknowledged',
  async () => {
    const { wrong, last } = await killedBefore(Infinity);
    expect(wrong).toEqual([]);
    expect(last).toBeGreaterThan(100);
    const steps = stepsOf(last!, rounds(4, Infinity));
    for (let at = 0; at < steps.length; at += 2) {
      const pair = await Promise.all(steps.slice(at, at + 2).map((step) => killedBefore(step)));
      wrong.push(...pair.flatMap((one) => one.wrong));
    }
    report('crash-kill', { kills: steps.length, wrong: wrong.length });
    expect({ seed, wrong }).toEqual({ seed, wrong: [] });
  },
  patience,
);

/** What breaks the order that the protocol keeps, and the first step at which that is to be seen. */
const sabotages = [
  ['acknowledged before written', 1],
  ['stage dropped before the record', 50],
  ['bytes removed before the record', 110],
] as const;

test.each(tortured ? sabotages : sabotages.slice(0, 1))(
  'sabotaged, %s: found out',
  async (sabotage, first) => {
    for (let step = first; ; step += 1) {
      const { wrong, last } = await killedBefore(step, sabotage);
      if (wrong.length > 0) return;
      expect(last).toBeUndefined();
    }
  },
  patience,
);
