import { chmod, open } from 'node:fs/promises';
import { errorCodeOf } from './disk.ts';
import type { Layout } from './layout.ts';

/**
 * Creates an empty file of mode 0600 if it is missing. SQLite copies the mode to its side files.
 *
 * An existing file is not opened, because closing it would release this process's locks on it.
 */
export async function makePrivateFile(path: string): Promise<void> {
  try {
    await (await open(path, 'wx', 0o600)).close();
  } catch (error) {
    if (errorCodeOf(error) !== 'EEXIST') throw error;
  }
}

/** Removes the permissions of group and others from the folders and files of an existing store. */
export async function restrictModes(layout: Layout): Promise<void> {
  const { root, uploads, blobs, quarantine, node, guard, guardNote, catalog } = layout;
  for (const folder of [root, uploads, blobs, quarantine]) await restrict(folder, 0o700);
  for (const file of [node, guard, `${guard}-journal`, guardNote, catalog, `${catalog}-wal`, `${catalog}-shm`])
    await restrict(file, 0o600);
}

async function restrict(path: string, mode: number): Promise<void> {
  try {
    await chmod(path, mode);
  } catch (error) {
    // The folder belongs to another user, who decides about its modes.
    if (errorCodeOf(error) !== 'ENOENT' && errorCodeOf(error) !== 'EPERM') throw error;
  }
}
