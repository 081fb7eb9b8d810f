import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** What `node.json` holds: who this node is, its secrets, and how far its catalog was. */
export interface NodeFacts {
  node?: string;
  /** Base64. */
  secret?: string;
  /** Only where none was configured. */
  systemKey?: string;
  catalog?: CatalogMark;
  /** Bytes from before this time, in milliseconds, whose record was given up on purpose; no sweep touches them. */
  sparedUntil?: number;
}

/** Which catalog it is, and how far: the number grows along with what is written to it. */
export interface CatalogMark {
  readonly id: string;
  readonly generation: number;
  /** Whether the catalog was written without syncs, so that a power cut may set it back. */
  readonly relaxed?: boolean;
}

/** Changes under way, by path: of one file, each waits for the one before. */
const changes = new Map<string, Promise<unknown>>();

/** A JSON file of mode 0600 that a crash or a power cut leaves as it was before a change or after it. */
export class NodeFile {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws Error when the file is no JSON object. */
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

  /** Applies a change to what the file holds then, and writes it where that made a difference. */
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
    // Without a sync of the folder a power cut brings the old file back, or none.
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
