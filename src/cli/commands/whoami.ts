import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { formatFacts } from '../format.ts';

export function whoami(program: Command, context: Context): void {
  program
    .command('whoami')
    .summary('show the server, the namespace, and the source of the key')
    .description('Logs in and shows the namespace of the key.')
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
