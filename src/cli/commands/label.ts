import type { Command } from 'commander';
import { StowageError } from '../../client/node.ts';
import { isId } from '../../kit/ids.ts';
import type { Context } from '../context.ts';
import { printable } from '../format.ts';
import { wholeNumber } from '../option-values.ts';

export function label(program: Command, context: Context): void {
  program
    .command('label')
    .summary('point a label at a blob')
    .description(
      'Points the label NAME at BLOB: the uuid of a blob, or an artifact, which stands for its newest blob. A label has versions like any artifact.',
    )
    .argument('<name>', 'the label, or namespace/label')
    .argument('<blob>', 'uuid of a blob, or name or uuid of an artifact')
    .option('--max-versions <count>', 'how many versions to keep; 0 keeps all', wholeNumber)
    .addHelpText(
      'after',
      `
Examples:
  stowage label stable 0b6c1b44-5a2c-4c3e-9f0a-3f4e2a1d7c55
  stowage label stable nightly`,
    )
    .action(async (name: string, ref: string, flags: { readonly maxVersions?: number }) => {
      const client = await context.client();
      const blob = await client.artifacts.get(ref).then(
        (artifact) => artifact.blob_uuid,
        (error: unknown) => {
          if (isId(ref) && error instanceof StowageError && error.code === 'not_found') return ref;
          throw error;
        },
      );
      if (blob === undefined) throw new StowageError('not_found', `${ref} has no version`);
      const labelled = await client.artifacts.label(name, blob, flags);
      context.output.result(labelled, `${printable(name)}: version ${labelled.index} is blob ${blob}`);
    });
}
