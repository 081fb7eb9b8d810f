import type { Command } from 'commander';
import type { JournalEntry, UploadView } from '../../client/node.ts';
import { printBytes } from '../../kit/bytes.ts';
import type { Context } from '../context.ts';
import { formatTable, formatTime } from '../format.ts';

export function uploads(program: Command, context: Context): void {
  const command = program
    .command('uploads')
    .summary('list or remove open uploads')
    .description('Lists uploads that are not converted to a version, and the local files that can resume them.')
    .addHelpText(
      'after',
      `
Examples:
  stowage uploads
  stowage uploads rm 2f1c9a52-7f0e-4b6f-8f0f-0a5f5a1d9b3e`,
    );
  command
    .command('ls', { isDefault: true })
    .description('List open uploads.')
    .action(async () => await list(context));
  command
    .command('rm')
    .description('Remove open uploads and their bytes.')
    .argument('<uuid...>', 'uploads')
    .addHelpText(
      'after',
      `
Examples:
  stowage uploads rm 2f1c9a52-7f0e-4b6f-8f0f-0a5f5a1d9b3e`,
    )
    .action(async (uuids: string[]) => {
      const client = await context.client();
      for (const uuid of uuids) await client.uploads.drop(uuid, context.world.signal);
      context.output.result({ dropped: uuids }, uuids.map((uuid) => `${uuid} dropped`).join('\n'));
    });
}

async function list(context: Context): Promise<void> {
  const client = await context.client();
  const known = new Map(((await client.journal?.list()) ?? []).map((entry) => [entry.upload, entry]));
  const found: (UploadView & { readonly file?: string; readonly name?: string })[] = [];
  for await (const upload of client.uploads.list(context.world.signal))
    found.push({ ...upload, ...sourceOf(known.get(upload.uuid)) });
  context.output.result(found, table(found));
}

function sourceOf(entry: JournalEntry | undefined): { readonly file?: string; readonly name?: string } {
  return entry ? { file: entry.place, name: entry.name } : {};
}

function table(found: readonly (UploadView & { readonly file?: string })[]): string {
  if (found.length === 0) return 'No open uploads.';
  const rows = found.map((upload) => [
    upload.uuid,
    upload.namespace,
    printBytes(upload.size),
    upload.length === null ? '?' : printBytes(upload.length),
    upload.receiving ? 'yes' : 'no',
    formatTime(upload.expires_at),
    upload.file,
  ]);
  return formatTable(['UUID', 'NAMESPACE', 'SIZE', 'OF', 'RECEIVING', 'EXPIRES', 'FILE'], rows);
}
