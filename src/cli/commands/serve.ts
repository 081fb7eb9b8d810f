import { setFlagsFromString } from 'node:v8';
import type { Command } from 'commander';
import { describeConfig, readConfig } from '../../config/index.ts';
import type { Context } from '../context.ts';
import { UsageError } from '../exit.ts';

interface Flags {
  readonly host?: string;
  readonly port?: string;
  readonly storage?: string;
  readonly acceptLoss?: boolean;
}

export function serve(program: Command, context: Context): void {
  program
    .command('serve')
    .summary('run the server')
    .description('Runs the server until SIGTERM or SIGINT. Its settings are environment variables:')
    .option('--host <address>', 'as STOWAGE_HOST')
    .option('--port <port>', 'as STOWAGE_PORT')
    .option('--storage <folder>', 'as STOWAGE_STORAGE_DIR')
    .option('--accept-loss', 'like STOWAGE_ACCEPT_LOSS=yes: start without a catalog, or with an old one')
    .addHelpText(
      'after',
      () => `
Settings:
${describeConfig()}

Examples:
  stowage serve
  stowage serve --host 0.0.0.0 --storage /srv/stowage
  STOWAGE_DURABILITY=relaxed stowage serve --port 8080`,
    )
    .action(async (flags: Flags) => await run(context, flags));
}

async function run(context: Context, flags: Flags): Promise<void> {
  const { env, signal } = context.world;
  const config = configOrUsage({
    ...env,
    ...(flags.host === undefined ? {} : { STOWAGE_HOST: flags.host }),
    ...(flags.port === undefined ? {} : { STOWAGE_PORT: flags.port }),
    ...(flags.storage === undefined ? {} : { STOWAGE_STORAGE_DIR: flags.storage }),
    ...(flags.acceptLoss ? { STOWAGE_ACCEPT_LOSS: 'yes' } : {}),
  });
  // Files that the server creates are private to its user.
  process.umask(0o077);
  // Request bodies are off the small V8 heap; V8's default growth runs a full collection after every few of them.
  setFlagsFromString('--heap-growing-percent=400');
  // Imported lazily: no other command needs the server's modules.
  const { startServer } = await import('../../server/index.ts');
  const server = await startServer(config, { end: (code) => process.exit(code) });
  server.faults.guard(process);
  announce(context, server, server.firstStart);
  if (!signal.aborted)
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  await server.close();
}

/** Prints the URLs and, on the first start, the system key and how to use it. */
function announce(
  { output, world }: Context,
  { urls, s3Urls }: { readonly urls: readonly string[]; readonly s3Urls: readonly string[] },
  first: { readonly namespace: string; readonly key: string } | undefined,
): void {
  const url = urls[0] ?? '';
  if (output.json) {
    output.result({ urls, s3_urls: s3Urls, ...(first ? { first_start: first } : {}) }, '');
    return;
  }
  for (const each of urls) output.notice(`listening on ${each}; the API is described at ${each}/docs`);
  for (const each of s3Urls) output.notice(`the S3 API listens on ${each}`);
  if (!first) return;
  const { namespace, key } = first;
  // Printed even with `--quiet`: the key is not shown again.
  world.stderr.write(`
This is the first start. The key of the namespace ${namespace}, shown only now:

    ${key}

Save it for this command line:

    echo ${key} | stowage login ${url} --namespace ${namespace} --key-file -

or set it, for this shell and for Shaken Fist's client:

    export STOWAGE_URL=${url} STOWAGE_NAMESPACE=${namespace} STOWAGE_KEY=${key}
    export SHAKENFIST_API_URL=${url} SHAKENFIST_NAMESPACE=${namespace} SHAKENFIST_KEY=${key}

then:

    stowage push FILE

`);
}

function configOrUsage(env: Readonly<Record<string, string | undefined>>): ReturnType<typeof readConfig> {
  try {
    return readConfig(env);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
