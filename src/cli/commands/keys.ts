import type { Command } from 'commander';
import type { Permission } from '../../client/node.ts';
import type { Context } from '../context.ts';
import { formatTable, printable } from '../format.ts';

interface Flags {
  readonly bucket: readonly string[];
  readonly read?: boolean;
  readonly write?: boolean;
  readonly delete?: boolean;
  readonly admin?: boolean;
}

const permissions: readonly Permission[] = ['read', 'write', 'delete', 'admin'];

export function keys(program: Command, context: Context): void {
  const command = program
    .command('keys')
    .summary('access keys for S3 clients')
    .description('Access keys sign S3 requests for your namespace.')
    .addHelpText(
      'after',
      `
Examples:
  stowage keys create ci --bucket builds --read --write
  stowage keys create me
  stowage keys rm rs_ak_0a1b2c3d4e5f60718293a4b5`,
    );
  command
    .command('create')
    .description('Create a key. Its secret is shown once. Without flags, the key has every permission in every bucket.')
    .argument('<name>', 'a name for the key')
    .option(
      '--bucket <bucket>',
      'limit the key to this bucket; may be repeated',
      (bucket: string, before: readonly string[]) => [...before, bucket],
      [],
    )
    .option('--read', 'list buckets and objects, and get objects')
    .option('--write', 'put objects')
    .option('--delete', 'delete objects')
    .option('--admin', 'create, configure and delete buckets')
    .action((name: string, flags: Flags) => create(context, name, flags));
  command
    .command('ls')
    .description('List your keys, without their secrets.')
    .action(async () => {
      const found = await (await context.client()).accessKeys.list();
      const rows = found.map((key) => [
        key.id,
        key.name,
        key.buckets.join(', ') || 'all',
        permissions.filter((permission) => key.permissions[permission]).join(', '),
      ]);
      context.output.result(found, formatTable(['ID', 'NAME', 'BUCKETS', 'MAY'], rows));
    });
  command
    .command('rm')
    .description('Revoke a key and every URL that it signed.')
    .argument('<id>')
    .action(async (id: string) => {
      await (await context.client()).accessKeys.revoke(id);
      context.output.result({ revoked: id }, `${printable(id)} revoked`);
    });
}

async function create(context: Context, name: string, flags: Flags): Promise<void> {
  const asked = permissions.filter((permission) => flags[permission]);
  const { accessKeys } = await context.client();
  const made = await accessKeys.create(name, asked.length === 0 ? permissions : asked, flags.bucket);
  const lines = [`AWS_ACCESS_KEY_ID=${made.id}`, `AWS_SECRET_ACCESS_KEY=${made.secret_access_key}`];
  context.output.notice('the secret is not shown again');
  context.output.result(made, lines.join('\n'));
}
