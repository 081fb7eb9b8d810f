/** kill -9 before every step of creating, filling and publishing a release: repeating the requests completes it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runVictim, type Fact } from '../crash/verdict.ts';
import { patience, report, rounds, stepsOf } from '../support/torture.ts';

const victim = fileURLToPath(new URL('../crash/release-victim.js', import.meta.url));
/** Milliseconds after which somebody else may go on with a request. */
const later = 61_000;

interface Seen extends Fact {
  readonly replayed?: boolean;
  readonly releases?: readonly string[];
}

/** A run that is killed before `step`, and the run that sends the same again. */
async function killedBefore(step: number): Promise<{ first: Seen[]; second: Seen[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'stowage-release-'));
  try {
    const first = await runVictim<Seen>(victim, [folder, String(step), '0']);
    const second = await runVictim<Seen>(victim, [folder, '0', String(later)]);
    return { first, second };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function judge({ first, second }: { first: Seen[]; second: Seen[] }): void {
  expect(second.at(-1)).toMatchObject({ did: 'all', releases: ['published'], files: 1, same: true, stored: 2 });
  // What was answered is answered again, and does not happen again.
  for (const { did } of first.filter((fact) => fact.replayed === false))
    expect(second).toContainEqual({ did, replayed: true });
}

test(
  'a kill before any step leaves requests that finish when they are sent again',
  async () => {
    const lived = await killedBefore(Infinity);
    judge(lived);
    const { steps: last } = lived.first.at(-1)!;
    expect(last).toBeGreaterThan(25);
    const steps = stepsOf(last!, rounds(2, Infinity));
    for (let at = 0; at < steps.length; at += 2)
      (await Promise.all(steps.slice(at, at + 2).map(killedBefore))).forEach(judge);
    report('crash-releases', { kills: steps.length });
  },
  patience,
);
