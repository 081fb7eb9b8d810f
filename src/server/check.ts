/** Opens a store to check it. */
import { resolve } from 'node:path';
import { Refusal } from '../core/refusal.ts';
import { verifyStore, type Checked, type CheckOptions } from '../core/upkeep/check.ts';
import { openEngine } from '../engines/index.ts';

export type { Checked };

/**
 * Checks a store that no server has open. Changes it only if `options.repair` is set.
 *
 * @throws Error if another process has the folder open
 */
export async function checkStore(folder: string, options: CheckOptions): Promise<Checked> {
  const engine = await openEngine({
    folder: resolve(folder),
    strict: true,
    onFault: () => undefined,
    readOnly: !options.repair,
  }).catch((error: unknown) => {
    if (error instanceof Refusal && error.reason === 'lost') return error.message;
    throw error;
  });
  // Without the newest catalog every byte would appear to belong to no record, so this is the only result.
  if (typeof engine === 'string') return { blobs: 0, bytes: 0, uploads: 0, repaired: 0, faults: [engine], notes: [] };
  try {
    return await verifyStore(engine, options);
  } finally {
    await engine.close();
  }
}
