import type { Command } from 'commander';
import { describeConfig, readConfig } from '../../config.ts';
import type { Context } from '../context.ts';
import { UsageError } from '../exit.ts';

interface Flags {
  readonly host?: string;
  readonly port?: string;
  readonly storage?: string;
}

export function serve(program: Command, context: Context): void {
  program
    .command('serve')
    .summary('run the server')
    .description('Runs the server until it is asked to stop. Its settings are environment variables:')
    .option('--host <address>', 'as STOWAGE_HOST')
    .option('--port <port>', 'as STOWAGE_PORT')
    .option('--storage <folder>', 'as STOWAGE_STORAGE_DIR')
    .addHelpText('after', () => `
Settings:
${describeConfig()}

Examples:
  stowage serve
  stowage serve --host 0.0.0.0 --storage /srv/stowage
  STOWAGE_DURABILITY=relaxed stowage serve --port 8080`)
    .action(async (flags: Flags) => await run(context, flags));
}

async function run(context: Context, flags: Flags): Promise<void> {
  const { env, signal } = context.world;
  const config = configOrUsage({
    ...env,
    ...(flags.host === undefined ? {} : { STOWAGE_HOST: flags.host }),
    ...(flags.port === undefined ? {} : { STOWAGE_PORT: flags.port }),
    ...(flags.storage === undefined ? {} : { STOWAGE_STORAGE_DIR: flags.storage }),
  });
  // Loaded here, because no other command needs a server's weight.
  const { startServer } = await import('../../server.ts');
  const server = await startServer(config);
  for (const url of server.urls) context.output.notice(`listening on ${url}`);
  if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  await server.close();
}

function configOrUsage(env: Readonly<Record<string, string | undefined>>): ReturnType<typeof readConfig> {
  try {
    return readConfig(env);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
