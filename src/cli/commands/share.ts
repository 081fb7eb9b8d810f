import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { printable } from '../format.ts';

export function share(program: Command, context: Context): void {
  program
    .command('share')
    .summary('let every namespace see an artifact')
    .description('Lets every namespace see and download the artifact REF. For artifacts of the system namespace.')
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
    .description('Lets only its owner, and those whom that trusts, see the artifact REF.')
    .argument('<ref>', 'name or uuid of an artifact')
    .addHelpText(
      'after',
      `
Examples:
  stowage unshare debian-12.qcow2`,
    )
    .action(async (ref: string) => {
      const client = await context.client();
      context.output.result(await client.artifacts.unshare(ref), `${printable(ref)} is not shared any more`);
    });
}
