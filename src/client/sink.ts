/** The destination of a download. */
import type { Hash, NewHash } from './hash.ts';

/** What is downloaded. A sink's offsets count from its first byte. */
export interface SinkTarget {
  /** sha512 of the whole blob in hex. */
  readonly sha512: string;
  /** Bytes of the whole blob. */
  readonly size: number;
  /** The blob's offset of the sink's first byte. */
  readonly from: number;
}

export interface Sink {
  /** Prepares for `target`; returns how many of its bytes an earlier run left. */
  begin(target: SinkTarget): Promise<number>;
  /** Takes the next bytes, which the caller must not change afterwards. */
  write(bytes: Uint8Array): Promise<void> | undefined;
  /** Number of bytes that a retry need not receive again; called after an error. */
  written(): Promise<number>;
  /** sha512 of everything written, hex. Ends the writing. */
  sha512(onProgress: (bytes: number) => void): Promise<string>;
  /** The bytes are correct: publishes them. */
  commit(): Promise<void>;
  /** The bytes are wrong: removes them. */
  discard(): Promise<void>;
  /** Closes the sink; uncommitted bytes are kept for a later run if possible. */
  close(): Promise<void>;
}

/** A sink into a stream, such as standard output, which cannot be discarded. */
export function streamSink(write: (bytes: Uint8Array) => Promise<void> | undefined, newHash: NewHash): Sink {
  return new PassingSink(write, newHash);
}

/** A sink into memory; `blob` returns the download after its end. */
export function memorySink(newHash: NewHash): Sink & { readonly blob: () => Blob } {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const sink = new PassingSink((bytes) => void parts.push(new Uint8Array(bytes)), newHash);
  return Object.assign(sink, { blob: () => new Blob(parts) });
}

class PassingSink implements Sink {
  readonly #write: (bytes: Uint8Array) => Promise<void> | undefined;
  readonly #newHash: NewHash;
  #hash: Hash | undefined;
  #written = 0;

  constructor(write: (bytes: Uint8Array) => Promise<void> | undefined, newHash: NewHash) {
    this.#write = write;
    this.#newHash = newHash;
  }

  async begin(): Promise<number> {
    this.#hash = await this.#newHash();
    return 0;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    this.#hash?.update(bytes);
    this.#written += bytes.byteLength;
    return this.#write(bytes);
  }

  async written(): Promise<number> {
    return this.#written;
  }

  async sha512(): Promise<string> {
    return this.#hash?.digest() ?? '';
  }

  async commit(): Promise<void> {}

  async discard(): Promise<void> {}

  async close(): Promise<void> {}
}
