import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The content of `node.json`: node name, secrets, and the mark of the catalog. */
export interface NodeFacts {
  node?: string;
  /** Base64. */
  secret?: string;
  /** Absent if the key is configured. */
  systemKey?: string;
  catalog?: CatalogMark;
  /** Milliseconds: the sweep keeps older bytes without a record, after an accepted loss of the catalog. */
  sparedUntil?: number;
}

/** Identity and generation of a catalog; the generation grows with writes. */
export interface CatalogMark {
  readonly id: string;
  readonly generation: number;
  /** Whether the catalog was written without syncs, so that a power cut may set it back. */
  readonly relaxed?: boolean;
}

/** Changes in progress, by path. Changes of one file run one after another. */
const changes = new Map<string, Promise<unknown>>();

/** A JSON file of mode 0600 that is replaced atomically and durably. */
export class NodeFile {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws Error if the file is not a JSON object */
  async read(): Promise<NodeFacts | undefined> {
    const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text === undefined) return undefined;
    const facts = parse(text);
    if (typeof facts !== 'object' || facts === null || Array.isArray(facts))
      throw new Error(`${this.#path} is damaged`);
    return facts;
  }

  /** Applies a change to the current content and writes it if it differs. */
  change(apply: (facts: NodeFacts) => void): Promise<NodeFacts> {
    const turn = (changes.get(this.#path) ?? Promise.resolve()).then(() => this.#change(apply));
    const done = turn
      .catch(() => undefined)
      .then(() => {
        if (changes.get(this.#path) === done) changes.delete(this.#path);
      });
    changes.set(this.#path, done);
    return turn;
  }

  async #change(apply: (facts: NodeFacts) => void): Promise<NodeFacts> {
    const facts = (await this.read()) ?? {};
    const before = JSON.stringify(facts);
    apply(facts);
    if (JSON.stringify(facts) !== before) await this.#write(facts);
    return facts;
  }

  async #write(facts: NodeFacts): Promise<void> {
    const fresh = `${this.#path}.new`;
    const file = await open(fresh, 'w', 0o600);
    try {
      await file.chmod(0o600);
      await file.writeFile(`${JSON.stringify(facts, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(fresh, this.#path);
    // Without a sync of the folder, a power cut could restore the old file or none.
    const folder = await open(dirname(this.#path), 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}

function parse(text: string): NodeFacts | null {
  try {
    return JSON.parse(text) as NodeFacts | null;
  } catch {
    return null;
  }
}
