/** Parses the command line, runs the command and returns the exit code. */
import { Command, CommanderError } from 'commander';
import { StowageError } from '../client/node.ts';
import { check } from './commands/check.ts';
import { keys } from './commands/keys.ts';
import { label } from './commands/label.ts';
import { login } from './commands/login.ts';
import { ls } from './commands/ls.ts';
import { namespace } from './commands/namespace.ts';
import { pull } from './commands/pull.ts';
import { push } from './commands/push.ts';
import { release } from './commands/release.ts';
import { resetKey } from './commands/reset-key.ts';
import { rm } from './commands/rm.ts';
import { serve } from './commands/serve.ts';
import { share, unshare } from './commands/share.ts';
import { show } from './commands/show.ts';
import { uploads } from './commands/uploads.ts';
import { versions } from './commands/versions.ts';
import { whoami } from './commands/whoami.ts';
import { Context, type Globals } from './context.ts';
import { ExitWith, exitFor, exits, exitTable, UsageError } from './exit.ts';
import type { World } from './world.ts';

export type { World } from './world.ts';

/** All commands, in the order of `--help`. */
const commands = [
  serve,
  push,
  pull,
  ls,
  show,
  versions,
  label,
  rm,
  share,
  unshare,
  uploads,
  namespace,
  keys,
  release,
  login,
  whoami,
  check,
  resetKey,
] as const;

/** Runs the command line `words` (without node and the script). @returns the exit code */
export async function run(words: readonly string[], world: World, version: string): Promise<number> {
  const context = new Context(world);
  const json = words.includes('--json');
  const program = programFor(context, version, json);
  try {
    // Some commands have their own `--version` option, so the program's option is `-V`.
    await program.parseAsync(words.length === 1 && words[0] === '--version' ? ['-V'] : [...words], { from: 'user' });
    return exits.ok;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return exits.ok;
      if (json) {
        context.output.json = true;
        context.output.error(new UsageError(error.message.replace(/^error: /, '')));
      }
      return exits.usage;
    }
    if (exitFor(error) === exits.interrupted || world.signal.aborted) {
      context.output.error(
        error instanceof StowageError ? error : new StowageError('aborted', 'stopped on request', { cause: error }),
      );
      return exits.interrupted;
    }
    if (!(error instanceof ExitWith)) context.output.error(error);
    return exitFor(error);
  }
}

function programFor(context: Context, version: string, json: boolean): Command {
  const { stdout, stderr } = context.world;
  const program = new Command('stowage')
    .description('Stowage: resumable uploads, versioned artifacts, every byte stored once.')
    .version(version, '-V', 'show the version')
    .option('--json', 'results and errors as JSON on standard output')
    .option('-q, --quiet', 'no progress and no notices')
    .option('--url <url>', "the server's address")
    .option('--profile <name>', 'a profile saved by stowage login')
    .addHelpText(
      'after',
      `
Server, namespace and key come from --profile, or STOWAGE_URL, STOWAGE_NAMESPACE and STOWAGE_KEY, or the profile that stowage login
saved, or SHAKENFIST_API_URL, SHAKENFIST_NAMESPACE and SHAKENFIST_KEY, in this order.

${exitTable}

Examples:
  stowage serve
  stowage login
  stowage push debian-12.qcow2
  stowage pull debian-12.qcow2 /var/tmp/`,
    )
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void (json || stderr.write(text)),
    })
    .showHelpAfterError('(see --help)');
  program.hook('preAction', (_program, command) => {
    context.globals = command.optsWithGlobals<Globals>();
  });
  for (const add of commands) add(program, context);
  return program;
}
