/**
 * What grants keep of a namespace: its name, and its generation behind a space, which no name has in it. A namespace that is made after
 * one of its name was deleted has another identity, so that it gets nothing of what was granted to the first.
 */
import type { Principal } from '../../catalog/model.ts';

export function identityOf({ namespace, generation }: Pick<Principal, 'namespace' | 'generation'>): string {
  return generation === undefined ? namespace : `${namespace} ${generation}`;
}

/** The name, which is all that users are shown. */
export function nameOf(identity: string): string {
  return identity.split(' ', 1)[0]!;
}
