/** Who this server is: its name and its secrets, in `node.json` of its storage folder. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { NodeFile } from '../engines/embedded/node-file.ts';

export interface Identity {
  /** The name that clients see. */
  readonly node: string;
  /** Signs tokens. */
  readonly secret: Uint8Array;
}

/** Reads who the server is, and makes up what is missing. A configured name wins, and is not written down. */
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
