/** Incremental hashes for every algorithm that a client may name. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { createCRC32, createCRC64, createXXHash128, createXXHash3, createXXHash64, type IHasher } from 'hash-wasm';
import type { Algorithm } from './digest.ts';

export interface RunningHash {
  update(bytes: Uint8Array): unknown;
  /** Ends the hash. CRCs are big-endian, as all protocols print them. */
  digest(encoding: 'hex'): string;
}

/** Reflected polynomials: CRC-32C (RFC 3720 appendix B.4) and CRC-64/NVME (NVM Express base specification). */
const assembled: ReadonlyMap<Algorithm, () => Promise<IHasher>> = new Map([
  ['crc32c', () => createCRC32(0x82f63b78)],
  ['crc64nvme', () => createCRC64('9a6c9329ac4bc9b5')],
  ['xxh64', () => createXXHash64()],
  ['xxh3', () => createXXHash3()],
  ['xxh128', () => createXXHash128()],
]);

export async function newHash(algorithm: Algorithm): Promise<RunningHash> {
  if (algorithm === 'crc32') return new Crc32();
  const assemble = assembled.get(algorithm);
  return assemble ? PooledHash.take(algorithm, assemble) : createHash(algorithm);
}

/** The CRC-32 of zip and Ethernet. */
class Crc32 implements RunningHash {
  #crc = 0;

  update(bytes: Uint8Array): void {
    this.#crc = crc32(bytes, this.#crc);
  }

  digest(_encoding: 'hex'): string {
    return this.#crc.toString(16).padStart(8, '0');
  }
}

/** Maximum number of idle instances of an algorithm. Creating one costs as much as hashing some hundred kilobytes. */
const mostIdle = 16;

/** A WebAssembly hash whose instance returns to the pool when it ends. */
class PooledHash implements RunningHash {
  static readonly #idle = new Map<Algorithm, IHasher[]>();
  readonly #algorithm: Algorithm;
  #hasher: IHasher | undefined;

  static async take(algorithm: Algorithm, assemble: () => Promise<IHasher>): Promise<PooledHash> {
    const hasher = PooledHash.#idle.get(algorithm)?.pop() ?? (await assemble());
    return new PooledHash(algorithm, hasher.init());
  }

  private constructor(algorithm: Algorithm, hasher: IHasher) {
    this.#algorithm = algorithm;
    this.#hasher = hasher;
  }

  update(bytes: Uint8Array): void {
    this.#running().update(bytes);
  }

  digest(_encoding: 'hex'): string {
    const hasher = this.#running();
    const hex = hasher.digest('hex');
    this.#hasher = undefined;
    const idle = PooledHash.#idle.get(this.#algorithm) ?? [];
    if (idle.length < mostIdle) idle.push(hasher);
    PooledHash.#idle.set(this.#algorithm, idle);
    return hex;
  }

  #running(): IHasher {
    if (!this.#hasher) throw new Error('the hash has ended');
    return this.#hasher;
  }
}
