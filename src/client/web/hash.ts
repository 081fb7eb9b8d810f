import type { Hash } from '../hash.ts';

/** Hashes in WebAssembly, because the browser's crypto has no incremental hash. */
export async function wasmHash(algorithm: 'sha256' | 'sha512' = 'sha512'): Promise<Hash> {
  const { createSHA256, createSHA512 } = await import('hash-wasm');
  const hasher = await (algorithm === 'sha256' ? createSHA256() : createSHA512());
  hasher.init();
  return { update: (bytes) => void hasher.update(bytes), digest: () => hasher.digest('hex') };
}
