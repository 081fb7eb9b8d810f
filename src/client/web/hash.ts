import type { Hash } from '../hash.ts';

/** sha512 in WebAssembly: the browser's own crypto wants all bytes at once. */
export async function wasmHash(): Promise<Hash> {
  const { createSHA512 } = await import('hash-wasm');
  const hasher = await createSHA512();
  hasher.init();
  return { update: (bytes) => void hasher.update(bytes), digest: () => hasher.digest('hex') };
}
