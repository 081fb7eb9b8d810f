/**
 * The identity of a namespace in grants: its name, and its generation after a space. A later namespace of the same name
 * has another identity, so it gains nothing from earlier grants.
 */
import type { Principal } from '../../catalog/model.ts';

export function identityOf({ namespace, generation }: Pick<Principal, 'namespace' | 'generation'>): string {
  return generation === undefined ? namespace : `${namespace} ${generation}`;
}

/** The name, which is what users see. */
export function namespaceNameOf(identity: string): string {
  return identity.split(' ', 1)[0]!;
}
