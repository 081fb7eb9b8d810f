/** The source of a push. */
import { hashAll, type NewHash } from './hash.ts';
import type { RequestPayload } from './transport.ts';

export interface UploadSource {
  /** Bytes; undefined if only the end will tell. */
  readonly size: number | undefined;
  /** Whether the bytes can be read again, in this process or another. */
  readonly rereadable: boolean;
  /** Identity and state of the source; undefined if a later process cannot find it again. */
  readonly mark: { readonly place: string; readonly stamp: string } | undefined;
  /**
   * Reads at most `most` bytes at `from`; undefined at the end.
   *
   * @throws StowageError source_spent if those bytes are no longer buffered; source_changed if the source changed
   */
  piece(from: number, most: number, signal: AbortSignal | undefined): Promise<RequestPayload | undefined>;
  /** Everything before `offset` is stored and will not be read again. */
  settle(offset: number): void;
  /**
   * sha512 of the whole source, hex. A source that is read once hashes in passing and resolves at its end.
   *
   * @throws StowageError source_changed
   */
  sha512(onProgress: (bytes: number) => void, signal: AbortSignal | undefined): Promise<string>;
  /** Whether the source looks as it did when it was opened. */
  unchanged(): Promise<boolean>;
  close(): Promise<void>;
}

/** Default bytes of one read. */
const stride = 1024 * 1024;

/** A source for a Blob or a File. A later page can identify a File by name, size and time. */
export function blobSource(blob: Blob, newHash: NewHash): UploadSource {
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

function blobPayload(blob: Blob): RequestPayload {
  return {
    size: blob.size,
    whole: blob,
    pieces: async function* () {
      for (let at = 0; at < blob.size; at += stride)
        yield new Uint8Array(await blob.slice(at, at + stride).arrayBuffer());
    },
  };
}

/** A source for bytes in memory, which must not change until the push ends. */
export function bytesSource(bytes: Uint8Array, newHash: NewHash): UploadSource {
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

function bytesPayload(bytes: Uint8Array): RequestPayload {
  return {
    size: bytes.byteLength,
    pieces: async function* () {
      for (let at = 0; at < bytes.byteLength; at += stride) yield bytes.subarray(at, at + stride);
    },
  };
}
