/** Resolves the target of a download. */
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { nodeHash, streamSink, type Sink } from '../client/node.ts';
import type { Context } from './context.ts';
import { UsageError } from './exit.ts';

/** The folder to write into; undefined if `given` names a file. */
export async function folderOf(given: string | undefined): Promise<string | undefined> {
  if (given === undefined) return '.';
  return given.endsWith('/') ||
    (await stat(given).then(
      (seen) => seen.isDirectory(),
      () => false,
    ))
    ? given
    : undefined;
}

/** The path of a file whose name comes from another user. @throws UsageError if the name is not a plain file name */
export function fileIn(folder: string, name: string, instead: string): string {
  const own = basename(name);
  if (own === '' || own === '.' || own === '..' || own.includes('\0'))
    throw new UsageError(`'${name}' cannot be a file name: ${instead}`);
  return join(folder, own);
}

export function standardOutput({ world }: Context): Sink {
  const { stdout } = world;
  return streamSink((bytes) => {
    if (stdout.write(bytes)) return undefined;
    return once(stdout, 'drain', { signal: world.signal }).then(
      () => {},
      (error: unknown) => {
        if (!world.signal.aborted) throw error;
      },
    );
  }, nodeHash);
}
