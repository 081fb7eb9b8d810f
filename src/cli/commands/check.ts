import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { Ended, exits } from '../exit.ts';
import { printable } from '../format.ts';

export function check(program: Command, context: Context): void {
  program
    .command('check')
    .summary('verify a storage folder')
    .description('Holds the records of a storage folder against the bytes in it. The server must not be running on it.')
    .argument('<folder>', 'the storage folder')
    .option('--read-data', 'also read every blob and compare its sha512')
    .addHelpText('after', `
Examples:
  stowage check ./storage
  stowage check /srv/stowage --read-data --json`)
    .action(async (folder: string, flags: { readonly readData?: boolean }) => {
      const { checkStore } = await import('../../server.ts');
      const progress = context.progress();
      const report = await checkStore(folder, {
        readData: flags.readData ?? false,
        onProgress: (done: number, total: number) => progress.show('checking', done, total),
      });
      progress.clear();
      const human = report.faults.map((fault) => printable(fault));
      context.output.result(report, [...human, human.length === 0 ? 'No faults.' : `${human.length} faults.`].join('\n'));
      if (report.faults.length > 0) throw new Ended(exits.failed);
    });
}
