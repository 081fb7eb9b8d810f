/** kill -9 before every step of making, filling and publishing a release: the same requests, sent again, finish what was begun. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runVictim, type Fact } from './verdict.ts';

const victim = fileURLToPath(new URL('./release-victim.js', import.meta.url));
/** Milliseconds after which somebody else may go on with a request. */
const later = 61_000;

interface Seen extends Fact {
  readonly replayed?: boolean;
  readonly releases?: readonly string[];
}

/** A run that is killed before `step`, and the run that sends the same again. */
async function killedAt(step: number): Promise<{ first: Seen[]; second: Seen[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'stowage-release-'));
  try {
    const first = await runVictim<Seen>(victim, [folder, String(step), '0']);
    const second = await runVictim<Seen>(victim, [folder, '0', String(later)]);
    return { first, second };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('a kill before any step leaves requests that finish when they are sent again', async () => {
  let steps = 0;
  for (let step = 1, done = false; !done; step += 2) {
    for (const { first, second } of await Promise.all([killedAt(step), killedAt(step + 1)])) {
      done ||= first.at(-1)?.did === 'all';
      expect(second.at(-1)).toMatchObject({ did: 'all', releases: ['published'], files: 1, same: true, stored: 2 });
      // What was answered is answered again, and does not happen again.
      for (const { did } of first.filter((fact) => fact.replayed === false))
        expect(second).toContainEqual({ did, replayed: true });
    }
    steps = step;
  }
  expect(steps).toBeGreaterThan(25);
}, 300_000);
