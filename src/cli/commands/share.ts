import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { printable } from '../format.ts';

export function share(program: Command, context: Context): void {
  program
    .command('share')
    .summary('let every namespace see an artifact')
    .description('Lets every namespace read and download the artifact REF, which the system namespace must own.')
    .argument('<ref>', 'name or uuid of an artifact')
    .addHelpText(
      'after',
      `
Examples:
  stowage share debian-12.qcow2`,
    )
    .action(async (ref: string) => {
      const client = await context.client();
      context.output.result(await client.artifacts.share(ref), `${printable(ref)} is shared`);
    });
}

export function unshare(program: Command, context: Context): void {
  program
    .command('unshare')
    .summary('end the sharing of an artifact')
    .description('Limits the artifact REF to its owner and to the namespaces that the owner trusts.')
    .argument('<ref>', 'name or uuid of an artifact')
    .addHelpText(
      'after',
      `
Examples:
  stowage unshare debian-12.qcow2`,
    )
    .action(async (ref: string) => {
      const client = await context.client();
      context.output.result(await client.artifacts.unshare(ref), `${printable(ref)} is no longer shared`);
    });
}
