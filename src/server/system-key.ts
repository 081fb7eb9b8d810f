/** The key of the `system` namespace if the configuration sets none. */
import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { ensureSystem } from '../core/tenants/namespaces.ts';
import { openEngine } from '../engines/index.ts';
import { NodeFile } from '../engines/embedded/node-file.ts';
import { wallClock } from '../kit/clock.ts';

export class SystemKey {
  readonly #file: NodeFile;
  #made: string | undefined;

  constructor(folder: string) {
    this.#file = new NodeFile(join(folder, 'node.json'));
  }

  /** The key that `make` created, for the caller to print. */
  get made(): string | undefined {
    return this.#made;
  }

  /** Creates a key in `node.json`. Reuses one that a start left there before the catalog had it. */
  async make(): Promise<string> {
    const { systemKey } = await this.#file.change(
      (facts) => void (facts.systemKey ??= randomBytes(24).toString('base64url')),
    );
    return (this.#made = systemKey!);
  }

  /** Removes the stored key after it was replaced. */
  async forget(): Promise<void> {
    await this.#file.change((facts) => void delete facts.systemKey);
  }
}

/**
 * Replaces the key of the `system` namespace in a store that no server has open. Tokens of the old key become invalid.
 *
 * @param key the new key; if omitted, one is created and stored in `node.json`
 * @returns the new key
 * @throws Error if another process has the folder open; Refusal `lost` if the catalog is missing or not the newest one
 */
export async function resetSystemKey(folder: string, key?: string): Promise<string> {
  const path = resolve(folder);
  const engine = await openEngine({ folder: path, strict: true, onFault: () => undefined });
  try {
    const kept = new SystemKey(path);
    await kept.forget();
    const fresh = key ?? (await kept.make());
    await ensureSystem(engine.catalog, wallClock, fresh);
    return fresh;
  } finally {
    await engine.close();
  }
}
