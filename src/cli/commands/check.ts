import type { Command } from 'commander';
import { printBytes } from '../../kit/bytes.ts';
import type { Checked } from '../../server/index.ts';
import type { Context } from '../context.ts';
import { ExitWith, exits } from '../exit.ts';
import { printable } from '../format.ts';
import { demandStore } from '../stores.ts';

export function check(program: Command, context: Context): void {
  program
    .command('check')
    .summary('verify a storage folder')
    .description('Compares the records of a storage folder with the bytes on disk. Stop the server first.')
    .argument('<folder>', 'the storage folder')
    .option('--read-data', 'also read every blob and verify its sha512')
    .option('--repair', 'restore quarantined bytes whose sha512 is right')
    .addHelpText(
      'after',
      `
Examples:
  stowage check ./storage
  stowage check /srv/stowage --read-data --json
  stowage check /srv/stowage --read-data --repair`,
    )
    .action(async (folder: string, flags: { readonly readData?: boolean; readonly repair?: boolean }) => {
      await demandStore(folder);
      const { checkStore } = await import('../../server/index.ts');
      const progress = context.progress();
      const report = await checkStore(folder, {
        readData: flags.readData ?? false,
        repair: flags.repair ?? false,
        onProgress: (done, total) => progress.show('checking', done, total),
      });
      progress.clear();
      context.output.result(report, summary(report));
      if (report.faults.length > 0) throw new ExitWith(exits.failed);
    });
}

function summary({ blobs, bytes, uploads, repaired, faults, notes }: Checked): string {
  const counted = `${blobs} contents, ${printBytes(bytes)}; ${uploads} open uploads`;
  const verdict = faults.length === 0 ? 'no faults' : faults.length === 1 ? '1 fault' : `${faults.length} faults`;
  return [
    ...faults.map((fault) => `fault: ${printable(fault)}`),
    ...notes.map((note) => `note:  ${printable(note)}`),
    `${counted}${repaired > 0 ? `; ${repaired} put right` : ''}: ${verdict}`,
  ].join('\n');
}
