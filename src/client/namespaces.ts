/** Namespaces: the tenants, their keys and their trust. */
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

  /** The caller's namespace and those that trust it. */
  async list(): Promise<NamespaceView[]> {
    return views('namespace', await this.#session.json({ method: 'GET', path: ['auth', 'namespaces'] }));
  }

  async get(name: string): Promise<NamespaceView> {
    return view('namespace', await this.#session.json({ method: 'GET', path: ['auth', 'namespaces', name] }));
  }

  /** Creates a namespace, optionally with a first key. Only for the system namespace. */
  async create(name: string, first?: { readonly keyName: string; readonly key: string }): Promise<NamespaceView> {
    const json = { namespace: name, ...(first ? { key_name: first.keyName, key: first.key } : {}) };
    return view(
      'namespace',
      await this.#session.json({ method: 'POST', path: ['auth', 'namespaces'], json, once: true }),
    );
  }

  /** Removes the namespace and everything that it owns. Only for the system namespace. */
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

  /** Removes a key and invalidates its tokens. */
  async removeKey(name: string, keyName: string): Promise<void> {
    await this.#session.json({ method: 'DELETE', path: ['auth', 'namespaces', name, 'keys', keyName] });
  }

  async keys(name: string): Promise<string[]> {
    const found = await this.#session.json({ method: 'GET', path: ['auth', 'namespaces', name, 'keys'] });
    if (Array.isArray(found) && found.every((item) => typeof item === 'string')) return found;
    throw new StowageError('protocol', 'the answer is not a list of key names');
  }

  /** Lets `other` read and use what `name` owns. */
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
