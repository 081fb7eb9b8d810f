/**
 * The power goes, on real file systems. The victim of `kill.test.ts` takes the power along before one of its steps:
 * what a file system was not told to keep is gone, names in folders too.
 *
 * Bytes and facts lie on two disks, as a sync of either would keep what the other forgot to ask for.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { LoopDisk, whyNoDisk, type FileSystem } from '../support/disks.ts';
import { judge, run } from './verdict.ts';

/** Every so many steps; each one when asked for more runs. */
const stride = process.env['STOWAGE_TEST_RUNS'] === undefined ? 9 : 1;

/** A run that ends with the power before `step`, and what is wrong afterwards. */
async function cutAt(kind: FileSystem, step: number, sabotage = ''): Promise<{ wrong: string[]; done: boolean }> {
  const disks: LoopDisk[] = [];
  const insert = (): LoopDisk => {
    const disk = new LoopDisk(kind);
    disks.push(disk);
    return disk;
  };
  try {
    const [bytes, facts] = [insert(), insert()];
    const folder = join(bytes.mount, 'store');
    mkdirSync(folder);
    symlinkSync(join(facts.mount, 'catalog.sqlite'), join(folder, 'catalog.sqlite'));
    // All that is there before the first step is no victim's doing.
    execFileSync('sync', ['-f', bytes.mount]);
    const acknowledged = await run(folder, step, sabotage, [bytes.mount, facts.mount]);
    for (const disk of disks) disk.restart();
    const wrong = (await judge(folder, acknowledged)).map((fault) => `cut at step ${step}: ${fault}`);
    return { wrong, done: acknowledged.at(-1)?.did === 'all' };
  } finally {
    for (const disk of disks) disk.remove();
  }
}

for (const kind of ['ext4', 'xfs'] as const) {
  const why = whyNoDisk(kind);
  const suite = why === undefined ? describe : describe.skip;
  suite(`on ${kind}${why === undefined ? '' : ` (not here: ${why})`}`, () => {
    test('nothing that was acknowledged is lost', async () => {
      const wrong: string[] = [];
      let cuts = 0;
      for (let step = 1; ; step += stride) {
        const cut = await cutAt(kind, step);
        wrong.push(...cut.wrong);
        if (cut.done) break;
        cuts += 1;
      }
      expect(wrong).toEqual([]);
      expect(cuts).toBeGreaterThan(40 / stride);
    }, 600_000);

    test.each([
      ['bytes are not synced', 30],
      ['folders are not synced', 100],
    ] as const)(
      'sabotaged, %s: found out',
      async (sabotage, first) => {
        for (let step = first; ; step += 3) {
          const { wrong, done } = await cutAt(kind, step, sabotage);
          if (wrong.length > 0) return;
          expect(done).toBe(false);
        }
      },
      300_000,
    );
  });
}
