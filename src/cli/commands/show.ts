import type { Command } from 'commander';
import { StowageError, type ArtifactView, type BlobView, type StowageClient } from '../../client/node.ts';
import { printBytes } from '../../kit/bytes.ts';
import { isId } from '../../kit/ids.ts';
import type { Context } from '../context.ts';
import { formatFacts, formatTime, type Cell } from '../format.ts';

export function show(program: Command, context: Context): void {
  program
    .command('show')
    .summary('show an artifact, or a blob')
    .description('Shows the artifact REF (name or uuid), or the blob REF, with its metadata.')
    .argument('<ref>', 'name or uuid of an artifact, or uuid of a blob')
    .addHelpText(
      'after',
      `
Examples:
  stowage show nightly
  stowage show nightly --json | jq -r .sha512`,
    )
    .action(async (ref: string) => {
      const client = await context.client();
      const artifact = await undefinedIfMissing(client.artifacts.get(ref));
      if (artifact) {
        const metadata = await metadataOf(client.artifacts.metadata.get(artifact.uuid));
        context.output.result({ ...artifact, metadata }, artifactFacts(artifact, metadata));
        return;
      }
      const blob = await blobOf(client, ref);
      const metadata = await metadataOf(client.blobs.metadata.get(blob.uuid));
      context.output.result({ ...blob, metadata }, blobFacts(blob, metadata));
    });
}

/** Resolves to undefined if the server answers `not_found`. */
async function undefinedIfMissing<T>(found: Promise<T>): Promise<T | undefined> {
  return await found.catch((error: unknown) => {
    if (error instanceof StowageError && error.code === 'not_found') return undefined;
    throw error;
  });
}

async function blobOf(client: StowageClient, ref: string): Promise<BlobView> {
  const blob = isId(ref) ? await undefinedIfMissing(client.blobs.get(ref)) : undefined;
  if (!blob)
    throw new StowageError('not_found', `there is no artifact or blob '${ref}' that you may read`, {
      status: 404,
    });
  return blob;
}

/** Only owners may read metadata; for everyone else this returns none. */
async function metadataOf(
  found: Promise<Readonly<Record<string, unknown>>>,
): Promise<Readonly<Record<string, unknown>>> {
  return await found.catch((error: unknown) => {
    if (error instanceof StowageError && (error.code === 'not_found' || error.code === 'forbidden')) return {};
    throw error;
  });
}

function artifactFacts(artifact: ArtifactView, metadata: Readonly<Record<string, unknown>>): string {
  const newest = artifact.blobs[String(artifact.index)];
  const numbers = Object.keys(artifact.blobs)
    .map(Number)
    .sort((a, b) => a - b);
  return formatFacts([
    ['name', artifact.name],
    ['uuid', artifact.uuid],
    ['type', artifact.artifact_type],
    ['namespace', artifact.namespace + (artifact.shared ? ' (shared)' : '')],
    ['state', artifact.state],
    ['created', formatTime(artifact.created_at)],
    ['source', artifact.source_url],
    [
      'versions',
      `${numbers.join(', ') || 'none'} (${artifact.max_versions === 0 ? 'all are kept' : `at most ${artifact.max_versions} are kept`})`,
    ],
    ['size', newest && printBytes(newest.size)],
    ['blob', artifact.blob_uuid],
    ['sha512', artifact.sha512],
    ...metadataFacts(metadata),
  ]);
}

function blobFacts(blob: BlobView, metadata: Readonly<Record<string, unknown>>): string {
  return formatFacts([
    ['blob', blob.uuid],
    ['state', blob.state],
    ['size', `${printBytes(blob.size)} (${blob.size} bytes)`],
    ['sha512', blob.sha512 ?? undefined],
    ['media type', blob['mime-type']],
    ['references', blob.reference_count],
    ['created', formatTime(blob.fetched_at)],
    ['last used', formatTime(blob.last_used)],
    ...metadataFacts(metadata),
  ]);
}

function metadataFacts(metadata: Readonly<Record<string, unknown>>): [string, Cell][] {
  return Object.entries(metadata).map(([key, value]) => [
    `metadata ${key}`,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
}
