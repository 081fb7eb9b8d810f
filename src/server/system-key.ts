/** The key of the `system` namespace, where no configuration names one. */
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

  /** The key that was made here, of which somebody has to be told. */
  get made(): string | undefined {
    return this.#made;
  }

  /** Makes a key, and keeps it in `node.json`; one that is kept there already and opens nothing yet is as good. */
  async make(): Promise<string> {
    const { systemKey } = await this.#file.change(
      (facts) => void (facts.systemKey ??= randomBytes(24).toString('base64url')),
    );
    return (this.#made = systemKey!);
  }

  /** Takes a key out of `node.json` that another one replaces. */
  async forget(): Promise<void> {
    await this.#file.change((facts) => void delete facts.systemKey);
  }
}

/**
 * Replaces the key of the `system` namespace in a store that no server has open. Tokens of the old key end.
 *
 * @param key the new key; without it one is made, and kept in `node.json`.
 * @returns the new key.
 * @throws Error when a process has the folder; Refusal `lost` when the catalog is missing or is not the newest one.
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
