import type { Catalog } from '../engine.ts';
import type { Principal } from '../../catalog/model.ts';

/** A credential as others need it: who shows it, and what changes when it is another one. */
export interface FoundCredential {
  readonly who: Principal;
  readonly nonce: string;
}

/** The credential of whoever fills a release's slot. */
export function slotCredential(slot: string): string {
  return `slot/${slot}`;
}

/** The slot that a credential is for; undefined for other credentials. */
export function slotOf(credential: string): string | undefined {
  return /^slot\/(.+)$/.exec(credential)?.[1];
}

/** Finds credentials by name: keys of namespaces, and what ends with something else. Those are named `kind/id`, as no key can be. */
export class CredentialLookup {
  readonly #catalog: Catalog;
  readonly #kinds = new Map<string, (id: string) => Promise<Principal | undefined>>();

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /** Lets a kind of things be credentials, each for as long as `find` answers who shows it. */
  vouch(kind: string, find: (id: string) => Promise<Principal | undefined>): void {
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
