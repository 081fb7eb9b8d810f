import { Refusal } from '../core/refusal.ts';
import { parseDigestField, type Digest } from '../kit/digest.ts';

/** What a digest field (RFC 9530) promises; nothing where there is none. @throws Refusal `malformed` where it is not such a field. */
export function digestsOf(field: string | undefined, name: string): readonly Digest[] {
  const digests = field === undefined ? [] : parseDigestField(field);
  if (!digests) throw new Refusal('malformed', `${name} is not a list of digests like sha-512=:...:`);
  return digests;
}
