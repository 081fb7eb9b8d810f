/** Metadata: named values on an artifact, a blob or a namespace. */
import type { Session } from './session.ts';
import { StowageError } from './error.ts';

export class Metadata {
  readonly #session: Session;
  readonly #path: readonly string[];

  constructor(session: Session, path: readonly string[]) {
    this.#session = session;
    this.#path = path;
  }

  async get(ref: string): Promise<Readonly<Record<string, unknown>>> {
    const found = await this.#session.json({ method: 'GET', path: [...this.#path, ref, 'metadata'] });
    if (typeof found === 'object' && found !== null) return { ...found };
    throw new StowageError('protocol', 'the answer is not metadata');
  }

  async set(ref: string, key: string, value: string): Promise<void> {
    await this.#session.json({ method: 'PUT', path: [...this.#path, ref, 'metadata', key], json: { value } });
  }

  async remove(ref: string, key: string): Promise<void> {
    await this.#session.json({ method: 'DELETE', path: [...this.#path, ref, 'metadata', key] });
  }
}
