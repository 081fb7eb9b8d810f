import { createHash } from 'node:crypto';
import { createXXHash128 } from 'hash-wasm';
import { Crc32c } from '../../kit/crc32c.ts';
import type { Algorithm } from '../../kit/digest.ts';

/** A running digest by any algorithm that may be asked for of bytes that lie here. */
export async function fullHash(algorithm: Algorithm): Promise<{ update(data: Uint8Array): unknown; digest(encoding: 'hex'): string }> {
  if (algorithm === 'crc32c') return new Crc32c();
  return algorithm === 'xxh128' ? createXXHash128() : createHash(algorithm);
}
