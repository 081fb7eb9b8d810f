/** The name and secret of this server, in `node.json` of the storage folder. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { NodeFile } from '../engines/embedded/node-file.ts';

export interface Identity {
  /** The node name that clients see. */
  readonly node: string;
  /** Key that signs tokens. */
  readonly secret: Uint8Array;
}

/** Reads the identity and creates missing parts. A configured name overrides the stored one and is not stored. */
export async function readIdentity(
  folder: string,
  configured: { readonly node: string | undefined },
  machine: string,
): Promise<Identity> {
  const facts = await new NodeFile(join(folder, 'node.json')).change((kept) => {
    const { node = '', secret = '' } = kept;
    if (typeof secret !== 'string' || typeof node !== 'string')
      throw new Error('node.json in the storage folder is damaged');
    kept.node = node || machine;
    if (Buffer.from(secret, 'base64').byteLength < 32) kept.secret = randomBytes(48).toString('base64');
  });
  return { node: configured.node ?? facts.node!, secret: Buffer.from(facts.secret!, 'base64') };
}
