import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { UsageError } from '../exit.ts';
import { formatTable, printable } from '../format.ts';
import { readKey } from '../key-prompt.ts';
import { defaultProfile, profilesPath, readProfiles, removeProfile, saveProfile } from '../profiles.ts';
import { localUrl } from '../settings.ts';

interface Flags {
  readonly namespace: string;
  readonly keyFile?: string;
  readonly list?: boolean;
  readonly forget?: boolean;
}

export function login(program: Command, context: Context): void {
  program
    .command('login')
    .summary('save a server, a namespace and its key')
    .description(
      'Asks for the key, logs in at URL, and saves URL, namespace and key as a profile that only you can read.\n' +
        'The key is never an argument. It is typed at a prompt, or read from standard input or a file.',
    )
    .argument('[url]', `the server's address; ${localUrl} unless given`)
    .option('--namespace <namespace>', 'the namespace to log in to', 'system')
    .option('--key-file <file>', 'read the key from a file; - for standard input')
    .option('--list', 'list the profiles')
    .option('--forget', 'remove the profile')
    .addHelpText(
      'after',
      `
Examples:
  stowage login
  stowage login https://blobs.example.org --namespace builds --profile work
  pass show stowage/work | stowage login https://blobs.example.org --namespace builds --key-file -
  stowage login --profile work --forget`,
    )
    .action(async (url: string | undefined, flags: Flags) => await run(context, url, flags));
}

async function run(context: Context, given: string | undefined, flags: Flags): Promise<void> {
  const { env } = context.world;
  const name = context.globals.profile ?? defaultProfile;
  if (flags.list) return await list(context);
  if (flags.forget) {
    if (!(await removeProfile(env, name))) throw new UsageError(`there is no profile '${name}'`);
    return context.output.result({ forgotten: name }, `profile ${printable(name)} forgotten`);
  }
  const url = given ?? context.globals.url ?? localUrl;
  const key = await readKey(context.world, flags.keyFile, `Key of ${flags.namespace} at ${url}: `);
  const profile = { url, namespace: flags.namespace, key };
  await context.clientFor(profile).login(context.world.signal);
  await saveProfile(env, name, profile);
  context.output.result(
    { profile: name, url, namespace: flags.namespace },
    `logged in as ${printable(flags.namespace)}; saved as profile ${printable(name)} in ${profilesPath(env)}`,
  );
}

async function list(context: Context): Promise<void> {
  const profiles = Object.entries(await readProfiles(context.world.env));
  const shown = profiles.map(([profile, { url, namespace }]) => ({ profile, url, namespace }));
  const rows = shown.map(({ profile, url, namespace }) => [profile, url, namespace]);
  context.output.result(
    shown,
    shown.length === 0 ? 'No profiles.' : formatTable(['PROFILE', 'URL', 'NAMESPACE'], rows),
  );
}
