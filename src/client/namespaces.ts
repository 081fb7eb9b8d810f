/** Namespaces: the tenants, their keys and whom they trust. */
import { StowageError } from './error.ts';
import { Metadata } from './metadata.ts';
import type { Session } from './session.ts';
import { view, views, type NamespaceView } from './views.ts';

export class Namespaces {
  readonly #session: Session;
  readonly metadata: Metadata;

  constructor(session: Session) {
    this.#session = session;
    this.metadata = new Metadata(session, ['auth', 'namespaces']);
  }

  /** The caller's own, and those that trust it. */
  async list(): Promise<NamespaceView[]> {
    return views('namespace', await this.#session.json({ method: 'GET', path: ['auth', 'namespaces'] }));
  }

  async get(name: string): Promise<NamespaceView> {
    return view('namespace', await this.#session.json({ method: 'GET', path: ['auth', 'namespaces', name] }));
  }

  /** A new namespace, with a first key where one is given. For the system namespace only. */
  async create(name: string, first?: { readonly keyName: string; readonly key: string }): Promise<NamespaceView> {
    const json = { namespace: name, ...(first ? { key_name: first.keyName, key: first.key } : {}) };
    return view(
      'namespace',
      await this.#session.json({ method: 'POST', path: ['auth', 'namespaces'], json, once: true }),
    );
  }

  /** Removes the namespace and everything that it owns. For the system namespace only. */
  async remove(name: string): Promise<void> {
    await this.#session.json({ method: 'DELETE', path: ['auth', 'namespaces', name] });
  }

  async addKey(name: string, keyName: string, key: string): Promise<void> {
    await this.#session.json({
      method: 'POST',
      path: ['auth', 'namespaces', name, 'keys'],
      json: { key_name: keyName, key },
    });
  }

  /** Removes a key; tokens that were made with it die at once. */
  async removeKey(name: string, keyName: string): Promise<void> {
    await this.#session.json({ method: 'DELETE', path: ['auth', 'namespaces', name, 'keys', keyName] });
  }

  async keys(name: string): Promise<string[]> {
    const found = await this.#session.json({ method: 'GET', path: ['auth', 'namespaces', name, 'keys'] });
    if (Array.isArray(found) && found.every((item) => typeof item === 'string')) return found;
    throw new StowageError('protocol', 'the answer is not a list of key names');
  }

  /** Lets `other` see and use what `name` owns. */
  async trust(name: string, other: string): Promise<NamespaceView> {
    const json = { external_namespace: other };
    return view(
      'namespace',
      await this.#session.json({ method: 'POST', path: ['auth', 'namespaces', name, 'trust'], json }),
    );
  }

  async untrust(name: string, other: string): Promise<NamespaceView> {
    return view(
      'namespace',
      await this.#session.json({ method: 'DELETE', path: ['auth', 'namespaces', name, 'trust', other] }),
    );
  }
}
