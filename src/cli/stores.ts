/** Checks for commands that open a storage folder without a server. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { StowageError } from '../client/node.ts';

/** @throws StowageError `not_found` if the folder is not a store, because opening it would create one */
export async function demandStore(folder: string): Promise<void> {
  try {
    await access(join(folder, 'node.json'));
  } catch (cause) {
    throw new StowageError('not_found', `${folder} is not a storage folder`, { cause });
  }
}
