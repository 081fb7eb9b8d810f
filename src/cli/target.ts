/** Where downloads go. */
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { nodeHash, streamSink, type Sink } from '../client/node.ts';
import type { Context } from './context.ts';
import { UsageError } from './exit.ts';

/** The folder that `given` names, which a file's own name has to complete; undefined where it names a file. */
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

/** A file in a folder, by a name that others have chosen. @throws UsageError for one that would lead elsewhere. */
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
