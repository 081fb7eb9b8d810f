import type { BlobReader, ByteStore, CheckAlgorithm, Catalog } from '../../../core/engine.ts';
import { Refusal } from '../../../core/refusal.ts';
import type { Algorithm, Digest } from '../../../kit/digest.ts';
import { newHash } from '../../../kit/hashing.ts';
import { smallAddress } from '../../../catalog/index.ts';

/** Contents up to this size are stored in the catalog, because a file each would cost more. */
export const inlineLimit = 32 * 1024;

const prefix = smallAddress('');

type Find = Catalog['contents']['bytes'];

/** Wraps a byte store to also read content stored in the catalog. Such content is removed with its record. */
export function withInline(rest: ByteStore, find: Find): ByteStore {
  const inCatalog = (address: string): string | undefined =>
    address.startsWith(prefix) ? address.slice(prefix.length) : undefined;
  const read = async (sha512: string): Promise<Uint8Array> => {
    const bytes = await find(sha512);
    if (!bytes) throw new Refusal('lost', 'the bytes are missing in the catalog');
    return bytes;
  };
  return {
    open: (...stage) => rest.open(...stage),
    join: (...stage) => rest.join(...stage),
    size: (stage) => rest.size(stage),
    peek: (...run) => rest.peek(...run),
    cut: (...stage) => rest.cut(...stage),
    digest: (...stage) => rest.digest(...stage),
    seal: (...stage) => rest.seal(...stage),
    unseal: (...stage) => rest.unseal(...stage),
    drop: (stage) => rest.drop(stage),
    list: () => rest.list(),
    space: () => rest.space(),
    read: async (address) => {
      const sha512 = inCatalog(address);
      return sha512 === undefined ? rest.read(address) : new MemoryReader(await read(sha512));
    },
    stat: async (address) => {
      const sha512 = inCatalog(address);
      return sha512 === undefined ? rest.stat(address) : (await find(sha512))?.byteLength;
    },
    digests: async (address, algorithms, rate, signal) => {
      const sha512 = inCatalog(address);
      return sha512 === undefined
        ? rest.digests(address, algorithms, rate, signal)
        : digestsOf(await read(sha512), algorithms);
    },
    remove: async (address) => {
      if (inCatalog(address) === undefined) await rest.remove(address);
    },
    quarantine: async (address) => {
      if (inCatalog(address) === undefined) await rest.quarantine(address);
    },
    restore: async (content) => (inCatalog(content.address) === undefined ? rest.restore(content) : false),
    fingerprint: async (address) => (inCatalog(address) === undefined ? rest.fingerprint(address) : undefined),
  };
}

async function digestsOf(bytes: Uint8Array, algorithms: readonly Algorithm[]): Promise<Digest[]> {
  return Promise.all(
    algorithms.map(async (algorithm) => {
      const hash = await newHash(algorithm);
      hash.update(bytes);
      return { algorithm, hex: hash.digest('hex') };
    }),
  );
}

class MemoryReader implements BlobReader {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#bytes.byteLength;
  }

  async *read(from: number, to: number): AsyncIterable<Uint8Array> {
    if (to > this.size) throw new Refusal('lost', `the bytes end at ${this.size}, before ${to}`);
    if (from < to) yield this.#bytes.subarray(from, to);
  }

  async *whole(
    algorithms: readonly CheckAlgorithm[],
    judge: (digests: readonly Digest[]) => Promise<void>,
  ): AsyncIterable<Uint8Array> {
    await judge(await digestsOf(this.#bytes, algorithms));
    if (this.size > 0) yield this.#bytes;
  }

  async close(): Promise<void> {
    // Nothing is open.
  }
}
