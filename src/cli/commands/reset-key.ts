import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { UsageError } from '../exit.ts';
import { readKey } from '../key-prompt.ts';
import { demandStore } from '../stores.ts';

export function resetKey(program: Command, context: Context): void {
  program
    .command('reset-key')
    .summary('replace the key of the namespace system')
    .description(
      'Replaces a lost key of the namespace system in a storage folder. Stop the server first.\n' +
        'Tokens of the old key stop working. A server started with STOWAGE_SYSTEM_KEY sets that key again.',
    )
    .argument('<folder>', 'the storage folder')
    .option(
      '--key-file <file>',
      'read the new key from a file; - for standard input (default: generate a key and show it)',
    )
    .addHelpText(
      'after',
      `
Examples:
  stowage reset-key ./storage
  pass show stowage/system | stowage reset-key /srv/stowage --key-file -`,
    )
    .action(async (folder: string, flags: { readonly keyFile?: string }) => {
      await demandStore(folder);
      const given = flags.keyFile === undefined ? undefined : await readKey(context.world, flags.keyFile, '');
      if (given !== undefined && given.length < 12) throw new UsageError('a key has 12 characters or more');
      const { resetSystemKey } = await import('../../server/index.ts');
      const key = await resetSystemKey(folder, given);
      if (given === undefined) context.output.result({ namespace: 'system', key }, key);
      else context.output.result({ namespace: 'system' }, 'the key of the namespace system was replaced');
    });
}
