import { basename } from 'node:path';
import type { Command } from 'commander';
import {
  StowageError,
  type ReleaseArtifactView,
  type Released,
  type Releases,
  type ReleaseView,
} from '../../client/node.ts';
import { printBytes } from '../../kit/bytes.ts';
import type { Context } from '../context.ts';
import { UsageError } from '../exit.ts';
import { formatTable, formatTime, formatTook, printable } from '../format.ts';
import { fileIn, folderOf, standardOutput } from '../target.ts';

const sending = { hashing: 'looking up', sending: 'sending   ', finishing: 'finishing ' } as const;
const receiving = { receiving: 'receiving', checking: 'checking ' } as const;
const isId = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;

export function release(program: Command, context: Context): void {
  const command = program
    .command('release')
    .summary('releases of products, and their artifacts')
    .description(
      'A RELEASE is PRODUCT@VERSION, or its id. Publishers set RELEASY_ADMIN_API_KEY or RELEASY_OPERATOR_TOKEN (a JWT),\n' +
        'customers set RELEASY_API_KEY. The server is --url, RELEASY_BASE_URL, or the server of the other commands.',
    )
    .addHelpText(
      'after',
      `
Examples:
  stowage release create app 1.4.0
  stowage release upload app@1.4.0 dist/app-linux.tar.gz --platform linux-x86_64
  stowage release publish app@1.4.0
  stowage release ls --product app
  stowage release download app@1.4.0 --platform linux-x86_64`,
    );
  for (const add of [create, upload, publish, list, download]) add(command, context);
}

function create(command: Command, context: Context): void {
  command
    .command('create')
    .description('Create a release. Customers see it when it is published. An existing release is not changed.')
    .argument('<product>')
    .argument('<version>')
    .action(async (product: string, version: string) => {
      const made = await (await context.releases('operator')).create(product, version, context.world.signal);
      if (!made.created)
        context.output.notice(`it already existed, ${made.status === 'draft' ? 'as a draft' : 'and is published'}`);
      context.output.result(made, `${titleOf(made)}: ${made.id}`);
    });
}

function upload(command: Command, context: Context): void {
  command
    .command('upload')
    .description(
      'Upload FILE as an artifact of a release, and register it. After an interruption, run the same command again to resume, on any machine.',
    )
    .argument('<release>')
    .argument('<file>')
    .requiredOption('--platform <platform>', 'the platform, such as linux-x86_64')
    .option('--name <name>', 'file name for downloads (default: the name of the file)')
    .action(async (ref: string, file: string, flags: { readonly platform: string; readonly name?: string }) => {
      const releases = await context.releases('operator');
      const found = await lookUp(releases, ref, context);
      const progress = context.progress();
      const began = performance.now();
      try {
        const released = await releases.upload(found.id, file, {
          platform: flags.platform,
          filename: flags.name ?? basename(file),
          signal: context.world.signal,
          onTrouble: context.troubles(progress),
          onProgress: ({ phase, done, total }) => progress.show(sending[phase], done, total),
        });
        progress.clear();
        context.output.result(shown(found, released), uploaded(found, released, performance.now() - began));
      } catch (error) {
        progress.clear();
        if (error instanceof StowageError && (error.retryable || error.code === 'aborted'))
          context.output.notice('the server keeps the bytes received so far; run the same command again to resume');
        throw error;
      }
    });
}

function publish(command: Command, context: Context): void {
  command
    .command('publish')
    .description('Publish a release to customers. A published release is not changed.')
    .argument('<release>')
    .action(async (ref: string) => {
      const releases = await context.releases('operator');
      const published = await releases.publish((await lookUp(releases, ref, context)).id, context.world.signal);
      context.output.result(published, `${titleOf(published)} is published`);
    });
}

function list(command: Command, context: Context): void {
  command
    .command('ls')
    .description(
      'List releases with their artifacts, newest first: all of them, or those that the customer is entitled to.',
    )
    .option('--product <product>', 'only releases of this product')
    .option('--version <version>', 'only this version')
    .option('--status <status>', 'only draft or published')
    .action(async (flags: { readonly product?: string; readonly version?: string; readonly status?: string }) => {
      const releases = await context.releases('anybody');
      await context.output.stream(releases.list(flags, context.world.signal), table);
    });
}

interface DownloadFlags {
  readonly artifact?: string;
  readonly platform?: string;
  readonly name?: string;
}

function download(command: Command, context: Context): void {
  command
    .command('download')
    .description(
      "Download an artifact of a release, with a customer's key. FILE.part holds the bytes until their checksum is verified.\n" +
        'After an interruption, run the same command again to resume.',
    )
    .argument('<release>')
    .argument(
      '[file]',
      'a folder, a file, or - for standard output (default: the name of the artifact, in the current folder)',
    )
    .option('--platform <platform>', 'the artifact for this platform')
    .option('--name <name>', 'the artifact with this name')
    .option('--artifact <id>', 'the artifact with this id')
    .action(
      async (ref: string, given: string | undefined, flags: DownloadFlags) => await fetchTo(context, ref, given, flags),
    );
}

async function fetchTo(context: Context, ref: string, given: string | undefined, flags: DownloadFlags): Promise<void> {
  context.output.stdoutTaken = given === '-';
  const releases = await context.releases('customer');
  const found = await lookUp(releases, ref, context);
  const artifact = choose(found, flags);
  const folder = given === '-' ? undefined : await folderOf(given);
  const file =
    folder === undefined ? given! : fileIn(folder, artifactName(artifact), 'stowage release download RELEASE FILE');
  const progress = context.progress();
  const began = performance.now();
  try {
    const { resumedFrom, received } = await releases.download(artifact, file === '-' ? standardOutput(context) : file, {
      signal: context.world.signal,
      onTrouble: context.troubles(progress),
      onProgress: ({ phase, done, total }) => progress.show(receiving[phase], done, total),
    });
    progress.clear();
    if (file === '-') return;
    const how = `${printBytes(artifact.size)} in ${formatTook(performance.now() - began)}${resumedFrom > 0 ? `, resumed at ${printBytes(resumedFrom)}` : ''}`;
    context.output.result(
      {
        file,
        artifact: artifact.id,
        size: artifact.size,
        sha256: artifact.checksum,
        resumed_from: resumedFrom,
        received,
      },
      `${printable(file)}: ${how}\n  sha256 ${artifact.checksum}`,
    );
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

/** Finds a release by id or by `PRODUCT@VERSION`. @throws StowageError not_found */
async function lookUp(releases: Releases, ref: string, { world }: Context): Promise<ReleaseView> {
  if (isId.test(ref)) return await releases.get(ref, world.signal);
  const at = ref.lastIndexOf('@');
  if (at < 1 || at === ref.length - 1)
    throw new UsageError(`'${ref}' is not a release; give PRODUCT@VERSION, or an id`);
  const found = await releases.find(ref.slice(0, at), ref.slice(at + 1), world.signal);
  if (!found) throw new StowageError('not_found', `there is no release ${ref}`);
  return found;
}

/** Selects one artifact of the release. Artifacts with equal platform, name and checksum are interchangeable. */
function choose(
  { artifacts, ...about }: ReleaseView,
  { artifact: id, platform, name }: DownloadFlags,
): ReleaseArtifactView {
  const asked = (one: ReleaseArtifactView): boolean =>
    (id === undefined || one.id === id) &&
    (platform === undefined || one.platform === platform) &&
    (name === undefined || artifactName(one) === name);
  const fitting = new Map(
    (artifacts ?? [])
      .filter(asked)
      .map((one) => [JSON.stringify([one.platform, artifactName(one), one.checksum]), one]),
  );
  const [artifact, another] = fitting.values();
  if (!artifact) throw new StowageError('not_found', `${titleOf(about)} has no such artifact`);
  if (!another) return artifact;
  const lines = [...fitting.values()].map((one) => `  ${one.id}  ${one.platform}  ${artifactName(one)}`);
  throw new UsageError(
    `${titleOf(about)} has several such artifacts; choose one with --platform, --name or --artifact:\n${lines.join('\n')}`,
  );
}

function artifactName({ filename, object_key: key }: ReleaseArtifactView): string {
  return filename ?? key.slice(key.lastIndexOf('/') + 1);
}

function titleOf({ product, version }: Pick<ReleaseView, 'product' | 'version'>): string {
  return `${printable(product)} ${printable(version)}`;
}

function shown({ id }: ReleaseView, { artifact, there, resumedFrom, sent }: Released): Record<string, unknown> {
  return {
    release: id,
    artifact: artifact.id,
    object_key: artifact.object_key,
    platform: artifact.platform,
    size: artifact.size,
    sha256: artifact.checksum,
    there,
    resumed_from: resumedFrom,
    sent,
  };
}

function uploaded(found: ReleaseView, { artifact, there, resumedFrom }: Released, ms: number): string {
  const resumed = resumedFrom > 0 ? `, resumed at ${printBytes(resumedFrom)}` : '';
  const how = there ? 'it already existed; nothing was sent' : `sent in ${formatTook(ms)}${resumed}`;
  return `${titleOf(found)}: ${printable(artifactName(artifact))} for ${printable(artifact.platform)}, ${printBytes(artifact.size)} (${how})\n  sha256 ${artifact.checksum}\n  id     ${artifact.id}`;
}

function table(releases: readonly ReleaseView[]): string {
  if (releases.length === 0) return 'No releases.';
  const rows = releases.flatMap(({ id, product, version, status, created_at: created, artifacts }) => {
    const head = [product, version, status, formatTime(created), id];
    if (!artifacts?.length) return [[...head, '-', '-', '-']];
    return artifacts.map((artifact, index) => [
      ...(index === 0 ? head : ['', '', '', '', '']),
      artifact.platform,
      artifactName(artifact),
      printBytes(artifact.size),
    ]);
  });
  return formatTable(['PRODUCT', 'VERSION', 'STATUS', 'CREATED', 'ID', 'PLATFORM', 'ARTIFACT', 'SIZE'], rows);
}
