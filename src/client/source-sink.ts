/** Converts what callers pass to `push` and `pull` into a source or sink. */
import { StowageError } from './error.ts';
import type { Platform } from './platform.ts';
import { streamSink, type Sink } from './sink.ts';
import { blobSource, bytesSource, type UploadSource } from './source.ts';
import { streamSource } from './stream-source.ts';

/** A path (if the platform has files), a Blob or File, bytes, or a stream, which is read once. */
export type Pushable = string | Blob | Uint8Array | AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>;
/** A path (if the platform has files), or a stream, which stays open. */
export type Pullable = string | WritableStream<Uint8Array> | Sink;

export async function uploadSourceOf({ newHash, openFile }: Platform, what: Pushable): Promise<UploadSource> {
  if (what instanceof Uint8Array) return bytesSource(what, newHash);
  if (what instanceof Blob) return blobSource(what, newHash);
  if (typeof what !== 'string') return streamSource(what, newHash);
  if (!openFile) throw new StowageError('malformed', 'there are no files here');
  return await openFile(what);
}

/** Opens a sink for `to` and passes it to `fill`. */
export async function withSink<T>(
  { newHash, createFile }: Platform,
  to: Pullable,
  fill: (sink: Sink) => Promise<T>,
): Promise<T> {
  if (typeof to === 'string') {
    if (!createFile) throw new StowageError('malformed', 'there are no files here');
    return await fill(await createFile(to));
  }
  if (!('getWriter' in to)) return await fill(to);
  const writer = to.getWriter();
  try {
    // A failed write rejects the next `ready`.
    const write = (bytes: Uint8Array): Promise<void> =>
      writer.ready.then(() => void writer.write(bytes).catch(() => {}));
    return await fill(streamSink(write, newHash));
  } finally {
    writer.releaseLock();
  }
}
