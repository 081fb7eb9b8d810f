/** What can be pushed. */
import { hashAll, type NewHash } from './hash.ts';
import type { Payload } from './transport.ts';

export interface Source {
  /** Bytes; undefined when only the end will tell. */
  readonly size: number | undefined;
  /** Whether bytes can be had again, in this process or the next. */
  readonly rereadable: boolean;
  /** Where the source is and what it looks like now; undefined when no later process could find it again. */
  readonly mark: { readonly place: string; readonly stamp: string } | undefined;
  /**
   * Some bytes at `from`, at most `most` of them; undefined at the end.
   *
   * @throws StowageError source_spent when those bytes are gone; source_changed when the source is not what it was.
   */
  piece(from: number, most: number, signal: AbortSignal | undefined): Promise<Payload | undefined>;
  /** Everything before `offset` has arrived for good and will not be asked for again. */
  settle(offset: number): void;
  /**
   * sha512 of the whole, hex. A source that cannot be read again hashes what passes, and knows at its end.
   *
   * @throws StowageError source_changed.
   */
  sha512(onProgress: (bytes: number) => void, signal: AbortSignal | undefined): Promise<string>;
  /** Whether it still looks as it did when it was opened. */
  unchanged(): Promise<boolean>;
  close(): Promise<void>;
}

/** Bytes read at a time where the platform leaves the choice. */
const stride = 1024 * 1024;

/** A Blob or a File. A File can be found again by a later page: by its name, size and time. */
export function blobSource(blob: Blob, newHash: NewHash): Source {
  const file = typeof File !== 'undefined' && blob instanceof File ? blob : undefined;
  return {
    size: blob.size,
    rereadable: true,
    mark: file && { place: `file:${file.name}`, stamp: `${file.size}:${file.lastModified}` },
    piece: async (from, most) => (from < blob.size ? blobPayload(blob.slice(from, from + most)) : undefined),
    settle: () => {},
    sha512: (onProgress, signal) => hashAll(newHash, blobPayload(blob).pieces(), onProgress, signal),
    unchanged: async () => true,
    close: async () => {},
  };
}

function blobPayload(blob: Blob): Payload {
  return {
    size: blob.size,
    whole: blob,
    pieces: async function* () {
      for (let at = 0; at < blob.size; at += stride)
        yield new Uint8Array(await blob.slice(at, at + stride).arrayBuffer());
    },
  };
}

/** Bytes in memory, which must stay as they are until the push has ended. */
export function bytesSource(bytes: Uint8Array, newHash: NewHash): Source {
  return {
    size: bytes.byteLength,
    rereadable: true,
    mark: undefined,
    piece: async (from, most) =>
      from < bytes.byteLength ? bytesPayload(bytes.subarray(from, from + most)) : undefined,
    settle: () => {},
    sha512: (onProgress, signal) => hashAll(newHash, bytesPayload(bytes).pieces(), onProgress, signal),
    unchanged: async () => true,
    close: async () => {},
  };
}

function bytesPayload(bytes: Uint8Array): Payload {
  return {
    size: bytes.byteLength,
    pieces: async function* () {
      for (let at = 0; at < bytes.byteLength; at += stride) yield bytes.subarray(at, at + stride);
    },
  };
}
