/** sha512 and sha256 on the platform's implementation. */

/** An incremental hash. */
export interface Hash {
  update(bytes: Uint8Array): void;
  /** Ends the hash. Lower-case hex. */
  digest(): string;
}

/** The default is sha512. */
export type NewHash = (algorithm?: 'sha256' | 'sha512') => Promise<Hash>;

/** sha512 of all pieces. */
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
