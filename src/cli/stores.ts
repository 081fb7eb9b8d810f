/** Storage folders that commands open without a server. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { StowageError } from '../client/node.ts';

/** @throws StowageError `not_found` for a folder that is no store; opening it would make one there. */
export async function demandStore(folder: string): Promise<void> {
  try {
    await access(join(folder, 'node.json'));
  } catch (cause) {
    throw new StowageError('not_found', `${folder} is not a storage folder`, { cause });
  }
}
