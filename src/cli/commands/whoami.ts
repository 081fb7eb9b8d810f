import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { formatFacts } from '../format.ts';

export function whoami(program: Command, context: Context): void {
  program
    .command('whoami')
    .summary('show the server, the namespace, and where the key is from')
    .description('Proves the key to the server, and shows who that makes you.')
    .addHelpText(
      'after',
      `
Examples:
  stowage whoami
  stowage whoami --profile work --json`,
    )
    .action(async () => {
      const settings = await context.settings();
      const client = context.clientFor(settings);
      await client.login(context.world.signal);
      const seen = await client.namespaces.get(settings.namespace);
      context.output.result(
        {
          url: client.url,
          namespace: settings.namespace,
          key_from: settings.origin,
          keys: seen.keys,
          trust: seen.trust,
        },
        formatFacts([
          ['server', client.url],
          ['namespace', settings.namespace],
          ['key from', settings.origin],
          ['trusts', seen.trust.full.join(', ') || 'nobody'],
        ]),
      );
    });
}
