import type { Command } from 'commander';
import { StowageError, type Pulled, type PullOptions, type StowageClient } from '../../client/node.ts';
import { printBytes } from '../../kit/bytes.ts';
import type { Context } from '../context.ts';
import { formatTook, printable } from '../format.ts';
import { fileIn, folderOf, standardOutput } from '../target.ts';
import { byteCount, wholeNumber } from '../option-values.ts';

interface Flags {
  readonly version?: number;
  readonly offset?: number;
}

const phases = { receiving: 'receiving', checking: 'checking ' } as const;

export function pull(program: Command, context: Context): void {
  program
    .command('pull')
    .summary('download an artifact, or a blob')
    .description(
      'Downloads the newest version of the artifact REF (name or uuid), or the blob REF, to FILE, or standard output for -.\n' +
        'FILE.part holds the bytes until their sha512 is verified. After an interruption, run the same command again to resume.',
    )
    .argument('<ref>', 'name or uuid of an artifact, or uuid of a blob')
    .argument(
      '[file]',
      'a folder, a file, or - for standard output (default: the name of the artifact, in the current folder)',
    )
    .option('--version <number>', 'an older version', wholeNumber)
    .option('--offset <bytes>', 'start at this byte; the sha512 is then not verified', byteCount)
    .addHelpText(
      'after',
      `
Examples:
  stowage pull debian-12.qcow2
  stowage pull nightly /var/tmp/ --version 3
  stowage pull shop.sql.zst - | zstd -d | psql shop
  stowage pull big.iso - --offset 1GiB | head -c 512 | xxd`,
    )
    .action(async (ref: string, file: string | undefined, flags: Flags) => await run(context, ref, file, flags));
}

async function run(context: Context, ref: string, given: string | undefined, flags: Flags): Promise<void> {
  context.output.stdoutTaken = given === '-';
  const client = await context.client();
  const file = given === '-' ? given : await fileFor(client, ref, given);
  const progress = context.progress();
  const began = performance.now();
  const options: PullOptions = {
    version: flags.version,
    offset: flags.offset,
    signal: context.world.signal,
    onTrouble: context.troubles(progress),
    onProgress: ({ phase, done, total }) => progress.show(phases[phase], done, total),
  };
  try {
    const pulled = await client.pull(ref, file === '-' ? standardOutput(context) : file, options);
    progress.clear();
    if (file !== '-') context.output.result(shown(file, pulled), sentence(file, pulled, performance.now() - began));
  } catch (error) {
    progress.clear();
    if (file !== '-' && error instanceof StowageError && (error.retryable || error.code === 'aborted')) {
      context.output.notice(
        `${printable(file)}.part keeps the bytes received so far; run the same command again to resume`,
      );
    }
    throw error;
  }
}

/** Path of the file to write. If `given` is a folder, the artifact's name is appended. */
async function fileFor(client: StowageClient, ref: string, given: string | undefined): Promise<string> {
  const folder = await folderOf(given);
  if (folder === undefined) return given!;
  const { name } = await client.artifacts.get(ref).catch((error: unknown) => {
    // The reference is a blob, which has no name.
    if (error instanceof StowageError && error.code === 'not_found') return { name: ref };
    throw error;
  });
  return fileIn(folder, name, 'stowage pull REF FILE');
}

function shown(file: string, pulled: Pulled): Record<string, unknown> {
  const { blob, size, sha512, verified, resumedFrom, received } = pulled;
  return { file, blob, size, sha512, verified, resumed_from: resumedFrom, received };
}

function sentence(file: string, pulled: Pulled, ms: number): string {
  const resumed = pulled.resumedFrom > 0 ? `, resumed at ${printBytes(pulled.resumedFrom)}` : '';
  const checked = pulled.verified ? 'sha512 is right' : 'not verified, because only a part was downloaded';
  return `${printable(file)}: ${printBytes(pulled.resumedFrom + pulled.received)} in ${formatTook(ms)}${resumed} (${checked})`;
}
