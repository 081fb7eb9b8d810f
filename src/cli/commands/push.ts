import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { StowageError, type Pushed, type PushOptions } from '../../client/node.ts';
import { printBytes } from '../../kit/bytes.ts';
import type { Context } from '../context.ts';
import { UsageError } from '../exit.ts';
import { formatTook, printable, quoted } from '../format.ts';
import { wholeNumber } from '../option-values.ts';

interface Flags {
  readonly dedup: boolean;
  readonly upload?: string;
  readonly name?: string;
  readonly type?: string;
  readonly shared?: boolean;
  readonly namespace?: string;
  readonly maxVersions?: number;
}

const phases = { hashing: 'looking up', sending: 'sending   ', finishing: 'finishing ' } as const;

export function push(program: Command, context: Context): void {
  program
    .command('push')
    .summary('upload a file as the newest version of an artifact')
    .description(
      'Uploads FILE, or standard input for -, as the newest version of the artifact NAME (default: the name of the file).\n' +
        'Content that the server already has is not sent. After an interruption, run the same command again to resume.',
    )
    .argument('<file>', 'the file, or - for standard input')
    .argument('[name]', 'name of the artifact; use --name, or -- before both arguments, if a file has the same name')
    .argument('[others...]')
    .option('--name <name>', 'name of the artifact, also if a file has the same name')
    .option('--no-dedup', 'send at once, without asking whether the server already has the content')
    .option('--upload <uuid>', 'resume this open upload, also one of another machine (see stowage uploads)')
    .option('--type <type>', 'image or other')
    .option('--shared', 'share it with every namespace (system namespace only)')
    .option('--namespace <namespace>', 'the namespace that owns the artifact; it must trust yours')
    .option('--max-versions <count>', 'how many versions to keep; 0 keeps all', wholeNumber)
    .addHelpText(
      'after',
      `
Examples:
  stowage push debian-12.qcow2
  stowage push build/out.tar.gz nightly --max-versions 7
  pg_dump shop | zstd | stowage push - shop.sql.zst
  stowage push big.iso --no-dedup --json | jq .sha512`,
    )
    .action(
      async (file: string, second: string | undefined, others: readonly string[], flags: Flags, command: Command) => {
        await run(
          context,
          file,
          nameOf([file, ...(second === undefined ? [] : [second]), ...others], flags, rawArguments(command)),
          flags,
        );
      },
    );
}

/** The raw arguments. Commander removes `--` from those that it passes to a command. */
function rawArguments(command: Command): readonly string[] {
  return (command.parent as { readonly rawArgs?: readonly string[] } | null)?.rawArgs ?? [];
}

/**
 * The artifact name from the arguments, if any.
 *
 * @throws UsageError if the arguments look like several files, for example an expanded shell pattern: push would store
 *   the first file under the name of the second.
 */
function nameOf([, ...words]: readonly string[], { name }: Flags, raw: readonly string[]): string | undefined {
  const [second] = words;
  if (words.length > 1 || (name !== undefined && second !== undefined)) {
    throw new UsageError(
      `push takes one file and one name; for several files: for f in ...; do stowage push "$f"; done`,
    );
  }
  if (second === undefined || raw.includes('--') || !existsSync(second)) return name ?? second;
  throw new UsageError(
    `${quoted(second)} is a file here, and push takes one file; to use it as a name: --name ${quoted(second)}`,
  );
}

async function run(context: Context, file: string, given: string | undefined, flags: Flags): Promise<void> {
  const name = given ?? (file === '-' ? undefined : basename(file));
  if (name === undefined) throw new UsageError('standard input has no name: stowage push - NAME');
  const client = await context.client();
  const progress = context.progress();
  const began = performance.now();
  let sent: { readonly done: number; readonly total: number | undefined } | undefined;
  const options: PushOptions = {
    dedup: flags.dedup,
    upload: flags.upload,
    type: flags.type,
    shared: flags.shared,
    namespace: flags.namespace,
    maxVersions: flags.maxVersions,
    signal: context.world.signal,
    onTrouble: context.troubles(progress),
    onProgress: ({ phase, done, total }) => {
      if (phase === 'sending') sent = { done, total };
      progress.show(phases[phase], done, total);
    },
  };
  try {
    const pushed = await client.push(file === '-' ? context.world.stdin : file, name, options);
    progress.clear();
    context.output.result(shown(pushed), sentence(name, pushed, performance.now() - began));
  } catch (error) {
    progress.clear();
    if (file === '-' || !sent || !(error instanceof StowageError) || !(error.retryable || error.code === 'aborted'))
      throw error;
    const share = `${printBytes(sent.done)}${sent.total === undefined ? '' : ` of ${printBytes(sent.total)}`}`;
    context.output.notice(
      `${share} were sent, and the server keeps the bytes received so far; to resume:\n  ${resumeCommand(file, given, flags)}`,
    );
    throw error;
  }
}

function shown(pushed: Pushed): Record<string, unknown> {
  const { artifact, version, blob, size, sha512, deduplicated, resumedFrom, sent } = pushed;
  return {
    artifact: artifact.uuid,
    name: artifact.name,
    version,
    blob,
    size,
    sha512,
    deduplicated,
    resumed_from: resumedFrom,
    sent,
  };
}

function sentence(name: string, pushed: Pushed, ms: number): string {
  const what = `${printable(name)}: version ${pushed.version}, ${printBytes(pushed.size)}`;
  const resumed = pushed.resumedFrom > 0 ? `, resumed at ${printBytes(pushed.resumedFrom)}` : '';
  const how = pushed.deduplicated
    ? 'the server already had it; nothing was sent'
    : `sent in ${formatTook(ms)}${resumed}`;
  return `${what} (${how})\n  sha512 ${pushed.sha512}\n  blob   ${pushed.blob}`;
}

/** The command that resumes this push. */
function resumeCommand(file: string, name: string | undefined, flags: Flags): string {
  const plain = flags.name === undefined && name !== undefined && !existsSync(name);
  const words = ['stowage', 'push', file, ...(name === undefined ? [] : plain ? [name] : ['--name', name])];
  if (!flags.dedup) words.push('--no-dedup');
  if (flags.upload !== undefined) words.push('--upload', flags.upload);
  if (flags.type !== undefined) words.push('--type', flags.type);
  if (flags.shared) words.push('--shared');
  if (flags.namespace !== undefined) words.push('--namespace', flags.namespace);
  if (flags.maxVersions !== undefined) words.push('--max-versions', String(flags.maxVersions));
  return words.map(quoted).join(' ');
}
