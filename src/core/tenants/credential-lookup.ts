import type { Catalog } from '../engine.ts';
import type { Principal } from '../../catalog/model.ts';

/** A credential: its principal, and a nonce that changes when the credential is replaced. */
export interface FoundCredential {
  readonly who: Principal;
  readonly nonce: string;
}

/** The credential of a release slot. */
export function slotCredential(slot: string): string {
  return `slot/${slot}`;
}

/** The slot of a credential; undefined for others. */
export function slotOfCredential(credential: string): string | undefined {
  return /^slot\/(.+)$/.exec(credential)?.[1];
}

/** Resolves credential names: keys of namespaces, and `kind/id`, which no key name can be. */
export class CredentialLookup {
  readonly #catalog: Catalog;
  readonly #kinds = new Map<string, (id: string) => Promise<Principal | undefined>>();

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /** Registers a kind of credential; it is valid while `find` returns a principal. */
  register(kind: string, find: (id: string) => Promise<Principal | undefined>): void {
    this.#kinds.set(kind, find);
  }

  async find(namespace: string, credential: string): Promise<FoundCredential | undefined> {
    const slash = credential.indexOf('/');
    if (slash >= 0) {
      const id = credential.slice(slash + 1);
      const who = await this.#kinds.get(credential.slice(0, slash))?.(id);
      return who?.namespace === namespace ? { who, nonce: id } : undefined;
    }
    const known = await this.#catalog.namespaces.credential(namespace, credential);
    if (!known) return undefined;
    const { nonce, generation } = known;
    return { who: { namespace, credential, generation }, nonce };
  }
}
