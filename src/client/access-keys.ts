/** Access keys: id and secret pairs that sign S3 requests for the caller's namespace. */
import type { Session } from './session.ts';
import { readAnswerText } from './transport.ts';
import { view, views, type AccessKeyView } from './views.ts';

export type Permission = 'read' | 'write' | 'delete' | 'admin';

export class AccessKeys {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Creates a key. The secret is returned only here. Without `buckets` the key covers all buckets. */
  async create(
    name: string,
    permissions: readonly Permission[],
    buckets: readonly string[] = [],
  ): Promise<AccessKeyView & { readonly secret_access_key: string }> {
    const json = {
      name,
      buckets,
      permissions: Object.fromEntries(permissions.map((permission) => [permission, true])),
    };
    const made = view(
      'accessKey',
      await this.#session.json({ method: 'POST', path: ['api', 'storage', 'keys'], json, once: true }),
    );
    return made as AccessKeyView & { readonly secret_access_key: string };
  }

  async list(): Promise<AccessKeyView[]> {
    const { keys } = (await this.#session.json({ method: 'GET', path: ['api', 'storage', 'keys'] })) as {
      readonly keys?: unknown;
    };
    return views('accessKey', keys);
  }

  /** Revokes a key and every URL signed with it. */
  async revoke(id: string): Promise<void> {
    await this.#session.ask({ method: 'DELETE', path: ['api', 'storage', 'keys', id] }, readAnswerText);
  }
}
