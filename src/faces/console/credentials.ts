/** Authentication by token, or by access key id and secret as Basic credentials (RFC 7617). */
import type { Request } from 'express';
import type { Core } from '../../core/index.ts';
import type { Principal } from '../../core/records.ts';
import { Refusal } from '../../core/refusal.ts';
import { clientAddressOf } from '../../http/client-address.ts';
import type { Tokens } from '../../http/tokens.ts';
import { sameSecret } from '../../kit/same-secret.ts';

/**
 * Authenticates the caller. An access key has the same rights here as over S3.
 *
 * @throws Refusal `unauthenticated`
 */
export async function callerOf(req: Request, core: Core, tokens: Tokens): Promise<Principal> {
  const shown = /^Basic +([\w+/]+=*)$/i.exec(req.headers.authorization ?? '')?.[1];
  if (shown === undefined) return tokens.principal(req);
  const [id = '', ...secret] = Buffer.from(shown, 'base64').toString('utf8').split(':');
  return core.loginAttempts.prove({ from: clientAddressOf(req), subject: id, guessable: false }, async () => {
    const opened = await core.accessKeys.open(id);
    if (opened && sameSecret(opened.secret, secret.join(':'))) return opened.who;
    throw new Refusal('unauthenticated', 'the access key does not exist, or the secret is wrong');
  });
}
