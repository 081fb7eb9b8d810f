import { chmod, open } from 'node:fs/promises';
import { codeOf } from './disk.ts';
import type { Layout } from './layout.ts';

/**
 * Makes an empty file of mode 0600 where none is, for SQLite, which takes the modes of its side files from it.
 *
 * One that is there is not opened: to close it would end the locks that this process has on it.
 */
export async function makePrivateFile(path: string): Promise<void> {
  try {
    await (await open(path, 'wx', 0o600)).close();
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

/** Takes every right of others from a store that is there already: its folders, and the files that SQLite or an older version made. */
export async function mendModes(layout: Layout): Promise<void> {
  const { root, uploads, blobs, quarantine, node, guard, guardNote, catalog } = layout;
  for (const folder of [root, uploads, blobs, quarantine]) await restrict(folder, 0o700);
  for (const file of [node, guard, `${guard}-journal`, guardNote, catalog, `${catalog}-wal`, `${catalog}-shm`])
    await restrict(file, 0o600);
}

async function restrict(path: string, mode: number): Promise<void> {
  try {
    await chmod(path, mode);
  } catch (error) {
    // Where the folder is another user's, its modes are that user's business.
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'EPERM') throw error;
  }
}
