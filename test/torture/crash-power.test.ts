/**
 * Power cuts on real file systems. The victim of `crash-kill` shuts the file systems down before one of its steps:
 * unsynced data is lost, including directory entries.
 *
 * Bytes and catalog are on two disks, because a sync of one could otherwise hide a missing sync of the other.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { judge, run } from '../crash/verdict.ts';
import { LoopDisk, whyNoDisk, type FileSystem } from '../support/disks.ts';
import { patience, report, rounds, seed, stepsOf, tortured } from '../support/torture.ts';

/** A run that ends with the power before `step`, and what is wrong afterwards; `last` is the number of steps of a run that lived. */
async function cutBefore(
  kind: FileSystem,
  step: number,
  sabotage = '',
): Promise<{ wrong: string[]; last: number | undefined }> {
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
    const wrong = (await judge(folder, acknowledged)).map((fault) => `cut before step ${step}: ${fault}`);
    return { wrong, last: acknowledged.at(-1)?.did === 'all' ? acknowledged.at(-1)!.steps : undefined };
  } finally {
    for (const disk of disks) disk.remove();
  }
}

/** What is not told to a disk, and the first step at which that is to be seen. */
const sabotages = [
  ['bytes are not synced', 30],
  ['folders are not synced', 100],
] as const;

for (const kind of ['ext4', 'xfs'] as const) {
  const why = whyNoDisk(kind);
  const suite = why === undefined ? describe : describe.skip;
  suite(`on ${kind}${why === undefined ? '' : ` (not here: ${why})`}`, () => {
    test(
      'nothing that was acknowledged is lost, whatever step the power goes before',
      async () => {
        const { wrong, last } = await cutBefore(kind, Infinity);
        expect(last).toBeGreaterThan(100);
        const steps = stepsOf(last!, rounds(1, Infinity));
        for (const step of steps) wrong.push(...(await cutBefore(kind, step)).wrong);
        report('crash-power', { fileSystem: kind, cuts: steps.length, wrong: wrong.length });
        expect({ seed, wrong }).toEqual({ seed, wrong: [] });
      },
      patience,
    );

    // The twins take many cuts until they are found out; `power` has one in `npm test`.
    (tortured ? test : undefined)?.each(sabotages)(
      'sabotaged, %s: found out',
      async (sabotage, first) => {
        for (let step = first; ; step += 3) {
          const { wrong, last } = await cutBefore(kind, step, sabotage);
          if (wrong.length > 0) return;
          expect(last).toBeUndefined();
        }
      },
      patience,
    );
  });
}
