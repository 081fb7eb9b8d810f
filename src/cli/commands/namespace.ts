import type { Command } from 'commander';
import type { NamespaceView } from '../../client/node.ts';
import type { Context } from '../context.ts';
import { formatFacts, formatTable, printable } from '../format.ts';
import { newKey, readKey } from '../key-prompt.ts';

export function namespace(program: Command, context: Context): void {
  const command = program
    .command('namespace')
    .summary('namespaces, their keys and trusts')
    .description('Namespaces own artifacts. Only the system namespace may create and remove them.')
    .addHelpText(
      'after',
      `
Examples:
  stowage namespace create builds
  stowage namespace add-key builds ci
  stowage namespace trust builds deploy`,
    );
  listing(command, context);
  making(command, context);
  keys(command, context);
  trusting(command, context);
}

function listing(command: Command, context: Context): void {
  command
    .command('ls')
    .description('List the namespaces that you may read.')
    .action(async () => {
      const found = await (await context.client()).namespaces.list();
      const rows = found.map((seen) => [seen.name, seen.state, seen.keys.join(', '), seen.trust.full.join(', ')]);
      context.output.result(found, formatTable(['NAME', 'STATE', 'KEYS', 'TRUSTS'], rows));
    });
  command
    .command('show')
    .description('Show a namespace: the names of its keys, and the namespaces that it trusts.')
    .argument('<namespace>')
    .action(async (name: string) => {
      const found = await (await context.client()).namespaces.get(name);
      context.output.result(found, facts(found));
    });
}

function making(command: Command, context: Context): void {
  command
    .command('create')
    .description('Create a namespace with a first key. A generated key is shown once.')
    .argument('<namespace>')
    .option('--key-name <name>', 'name of the first key', 'main')
    .option('--key-file <file>', 'take the key from a file; - for standard input')
    .addHelpText(
      'after',
      `
Examples:
  stowage namespace create builds
  stowage namespace create builds --json | jq -r .key | stowage login --namespace builds --profile builds --key-file -`,
    )
    .action(async (name: string, flags: { readonly keyName: string; readonly keyFile?: string }) => {
      const client = await context.client();
      const key = flags.keyFile === undefined ? newKey() : await readKey(context.world, flags.keyFile, '');
      const made = await client.namespaces.create(name, { keyName: flags.keyName, key });
      const shown = flags.keyFile === undefined ? { key } : {};
      context.output.result(
        { ...made, ...shown },
        [`${printable(name)} made`, ...keyLines(flags.keyName, shown.key)].join('\n'),
      );
    });
  command
    .command('rm')
    .description('Remove a namespace and everything that it owns.')
    .argument('<namespace>')
    .action(async (name: string) => {
      await (await context.client()).namespaces.remove(name);
      context.output.result({ removed: name }, `${printable(name)} removed`);
    });
}

function keys(command: Command, context: Context): void {
  command
    .command('add-key')
    .description('Add a key to a namespace, or replace the key with this name. A generated key is shown once.')
    .argument('<namespace>')
    .argument('<key-name>')
    .option('--key-file <file>', 'take the key from a file; - for standard input')
    .action(async (name: string, keyName: string, flags: { readonly keyFile?: string }) => {
      const client = await context.client();
      const key = flags.keyFile === undefined ? newKey() : await readKey(context.world, flags.keyFile, '');
      await client.namespaces.addKey(name, keyName, key);
      const shown = flags.keyFile === undefined ? { key } : {};
      context.output.result(
        { namespace: name, key_name: keyName, ...shown },
        [`${printable(name)} has the key ${printable(keyName)}`, ...keyLines(keyName, shown.key)].join('\n'),
      );
    });
  command
    .command('rm-key')
    .description('Remove a key. Its tokens stop working at once.')
    .argument('<namespace>')
    .argument('<key-name>')
    .action(async (name: string, keyName: string) => {
      await (await context.client()).namespaces.removeKey(name, keyName);
      context.output.result(
        { namespace: name, removed: keyName },
        `${printable(name)}: key ${printable(keyName)} removed`,
      );
    });
}

function trusting(command: Command, context: Context): void {
  command
    .command('trust')
    .description('Give OTHER full access to everything that NAMESPACE owns.')
    .argument('<namespace>')
    .argument('<other>')
    .action(async (name: string, other: string) => {
      const seen = await (await context.client()).namespaces.trust(name, other);
      context.output.result(seen, `${printable(name)} trusts ${printable(other)}`);
    });
  command
    .command('untrust')
    .description('End that trust.')
    .argument('<namespace>')
    .argument('<other>')
    .action(async (name: string, other: string) => {
      const seen = await (await context.client()).namespaces.untrust(name, other);
      context.output.result(seen, `${printable(name)} does not trust ${printable(other)}`);
    });
}

function facts(found: NamespaceView): string {
  return formatFacts([
    ['name', found.name],
    ['state', found.state],
    ['keys', found.keys.join(', ') || 'none'],
    ['trusts', found.trust.full.join(', ') || 'nobody'],
  ]);
}

function keyLines(name: string, key: string | undefined): string[] {
  return key === undefined ? [] : [`key ${printable(name)} (not shown again): ${key}`];
}
