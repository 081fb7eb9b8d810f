import type { Command } from 'commander';
import type { ArtifactView } from '../../client/node.ts';
import { printBytes } from '../../kit/bytes.ts';
import type { Context } from '../context.ts';
import { formatTable, formatTime } from '../format.ts';

interface Flags {
  readonly name?: string;
  readonly type?: string;
  readonly namespace?: string;
}

export function ls(program: Command, context: Context): void {
  program
    .command('ls')
    .summary('list artifacts')
    .description(
      'Lists the artifacts that you may read: your own, shared ones, and those of namespaces that trust yours.',
    )
    .option('--name <name>', 'only artifacts with this name')
    .option('--type <type>', 'only artifacts of this type: image, snapshot, label or other')
    .option('--namespace <namespace>', 'only artifacts of this namespace')
    .addHelpText(
      'after',
      `
Examples:
  stowage ls
  stowage ls --type label
  stowage ls --json | jq -r '.[] | select(.shared) | .name'`,
    )
    .action(async (flags: Flags) => {
      const client = await context.client();
      await context.output.stream(client.artifacts.list({ ...flags }, context.world.signal), table);
    });
}

function table(artifacts: readonly ArtifactView[]): string {
  if (artifacts.length === 0) return 'No artifacts.';
  const rows = artifacts.map((artifact) => {
    const newest = artifact.blobs[String(artifact.index)];
    return [
      artifact.name,
      artifact.artifact_type,
      artifact.index,
      newest ? printBytes(newest.size) : '-',
      artifact.namespace + (artifact.shared ? ' (shared)' : ''),
      artifact.state,
      formatTime(artifact.created_at),
      artifact.uuid,
    ];
  });
  return formatTable(['NAME', 'TYPE', 'VERSION', 'SIZE', 'NAMESPACE', 'STATE', 'CREATED', 'UUID'], rows);
}
