/** sha512 and sha256, however the platform has them. */

/** A running hash. */
export interface Hash {
  update(bytes: Uint8Array): void;
  /** Lower-case hex; ends the hash. */
  digest(): string;
}

/** sha512 unless told. */
export type NewHash = (algorithm?: 'sha256' | 'sha512') => Promise<Hash>;

/** sha512 of everything that `pieces` gives. */
export async function hashAll(
  newHash: NewHash,
  pieces: AsyncIterable<Uint8Array>,
  onProgress: (bytes: number) => void,
  signal?: AbortSignal,
): Promise<string> {
  const hash = await newHash();
  let done = 0;
  for await (const piece of pieces) {
    signal?.throwIfAborted();
    hash.update(piece);
    onProgress((done += piece.byteLength));
  }
  return hash.digest();
}
