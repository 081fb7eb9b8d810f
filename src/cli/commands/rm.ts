import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { printable } from '../format.ts';
import { wholeNumber } from '../option-values.ts';

export function rm(program: Command, context: Context): void {
  program
    .command('rm')
    .summary('delete an artifact, or one version of it')
    .description(
      'Deletes the artifact REF with all its versions, or one version. A later sweep removes bytes that no version refers to.',
    )
    .argument('<ref>', 'name or uuid of an artifact')
    .option('--version <number>', 'only this version', wholeNumber)
    .addHelpText(
      'after',
      `
Examples:
  stowage rm nightly --version 3
  stowage rm old-image`,
    )
    .action(async (ref: string, flags: { readonly version?: number }) => {
      const client = await context.client();
      if (flags.version === undefined) {
        await client.artifacts.remove(ref);
        context.output.result({ deleted: ref }, `${printable(ref)} deleted`);
        return;
      }
      const artifact = await client.artifacts.removeVersion(ref, flags.version);
      const rest = artifact.state === 'deleted' ? '; it was the last version, so the artifact is deleted' : '';
      context.output.result(
        { deleted: ref, version: flags.version, artifact },
        `${printable(ref)}: version ${flags.version} deleted${rest}`,
      );
    });
}
