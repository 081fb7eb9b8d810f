/** Where a download goes. */
import type { Hash, NewHash } from './hash.ts';

/** What is downloaded. Offsets of a sink count from the first byte that it shall hold. */
export interface Target {
  /** Hex; of the whole blob. */
  readonly sha512: string;
  /** Bytes of the whole blob. */
  readonly size: number;
  /** The blob's byte that is the sink's first. */
  readonly from: number;
}

export interface Sink {
  /** Gets ready for `target`; answers how many of its bytes are there from an earlier run. */
  begin(target: Target): Promise<number>;
  /** Takes the next bytes, which must not be touched afterwards. */
  write(bytes: Uint8Array): Promise<void> | undefined;
  /** How many bytes are safe from a fault of this process; asked after one, when writing goes on from there. */
  written(): Promise<number>;
  /** sha512 of all that was written, hex. Ends the writing. */
  sha512(onProgress: (bytes: number) => void): Promise<string>;
  /** The bytes are right: gives them their name. */
  commit(): Promise<void>;
  /** The bytes are wrong: removes them. */
  discard(): Promise<void>;
  /** Lets go; what was not committed stays for a later run where that is possible. */
  close(): Promise<void>;
}

/** A sink into a stream, such as standard output: what was passed on cannot be taken back. */
export function streamSink(write: (bytes: Uint8Array) => Promise<void> | undefined, newHash: NewHash): Sink {
  return new PassingSink(write, newHash);
}

/** A sink into memory; `blob` is what was downloaded, once that has ended. */
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
