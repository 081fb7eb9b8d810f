import type { Command } from 'commander';
import { printBytes } from '../../kit/bytes.ts';
import type { Context } from '../context.ts';
import { formatTable, formatTime } from '../format.ts';
import { wholeNumber } from '../option-values.ts';

export function versions(program: Command, context: Context): void {
  program
    .command('versions')
    .summary('list the versions of an artifact, or limit their number')
    .description('Lists the versions of the artifact REF, oldest first.')
    .argument('<ref>', 'name or uuid of an artifact')
    .option(
      '--keep <count>',
      'keep at most this many versions; 0 keeps all. The oldest are removed at once',
      wholeNumber,
    )
    .addHelpText(
      'after',
      `
Examples:
  stowage versions nightly
  stowage versions nightly --keep 7`,
    )
    .action(async (ref: string, flags: { readonly keep?: number }) => {
      const client = await context.client();
      if (flags.keep !== undefined) await client.artifacts.setMaxVersions(ref, flags.keep);
      const found = await client.artifacts.versions(ref, context.world.signal);
      const rows = found.map((version) => [
        version.index,
        printBytes(version.size),
        formatTime(version.fetched_at),
        version.uuid,
        version.sha512?.slice(0, 16),
      ]);
      context.output.result(
        found,
        found.length === 0 ? 'No versions.' : formatTable(['VERSION', 'SIZE', 'CREATED', 'BLOB', 'SHA512'], rows),
      );
    });
}
