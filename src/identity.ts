/** Who this server is: a small file in its storage folder that holds secrets, readable by its owner only. */
import { randomBytes } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Low, type Adapter } from 'lowdb';

export interface Identity {
  /** The name that clients see. */
  readonly node: string;
  /** Signs tokens. */
  readonly secret: Uint8Array;
  readonly systemKey: string;
  /** Whether the key was made just now, so that somebody has to be told. */
  readonly fresh: boolean;
}

interface Kept {
  node: string;
  /** Base64. */
  secret: string;
  /** Only where none was configured. */
  systemKey?: string;
}

/** Reads who the server is, and makes up what is missing. What is configured wins, and is not written down. */
export async function readIdentity(folder: string, configured: { node: string | undefined; systemKey: string | undefined }, machine: string): Promise<Identity> {
  const file = new Low<Kept>(new PrivateFile(join(folder, 'node.json')), { node: '', secret: '' });
  await file.read();
  const kept = file.data;
  if (typeof kept.secret !== 'string' || typeof kept.node !== 'string') throw new Error('node.json in the storage folder is damaged');
  const before = JSON.stringify(kept);
  kept.node ||= machine;
  if (Buffer.from(kept.secret, 'base64').byteLength < 32) kept.secret = randomBytes(48).toString('base64');
  const fresh = configured.systemKey === undefined && kept.systemKey === undefined;
  if (fresh) kept.systemKey = randomBytes(24).toString('base64url');
  if (JSON.stringify(kept) !== before) await file.write();
  return {
    node: configured.node ?? kept.node,
    secret: Buffer.from(kept.secret, 'base64'),
    systemKey: configured.systemKey ?? kept.systemKey!,
    fresh,
  };
}

/** A JSON file that nobody else may read, and that a crash leaves whole. */
class PrivateFile implements Adapter<Kept> {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async read(): Promise<Kept | null> {
    const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    return text === undefined ? null : (JSON.parse(text) as Kept);
  }

  async write(data: Kept): Promise<void> {
    const fresh = `${this.#path}.new`;
    const file = await open(fresh, 'w', 0o600);
    try {
      await file.chmod(0o600);
      await file.writeFile(`${JSON.stringify(data, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(fresh, this.#path);
    // The new name lasts once the folder is synced: without it a power cut brings the old file back, or none.
    const folder = await open(dirname(this.#path), 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}
