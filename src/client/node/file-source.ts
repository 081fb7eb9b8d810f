/** A source that reads a file. */
import { open, stat, type FileHandle } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { BigIntStats } from 'node:fs';
import { StowageError } from '../error.ts';
import type { UploadSource } from '../source.ts';
import { streamSource } from '../stream-source.ts';
import { KEPT, type RequestPayload } from '../transport.ts';
import { FileHash, nodeHash } from './file-hash.ts';

/** Bytes of one read. */
const block = 1024 * 1024;

/**
 * A source for the file at `path`; a pipe or device is read once, like a stream.
 *
 * @throws StowageError malformed for a folder; errors of the file system
 */
export async function fileSource(path: string): Promise<UploadSource> {
  const file = await open(path, 'r');
  try {
    const seen = await file.stat({ bigint: true });
    if (seen.isDirectory()) throw new StowageError('malformed', `${path} is a folder`);
    if (seen.isFile()) return new FileSource(resolve(path), file, seen);
  } catch (error) {
    await file.close();
    throw error;
  }
  return streamSource(file.createReadStream({ highWaterMark: block }), nodeHash);
}

class FileSource implements UploadSource {
  readonly size: number;
  readonly rereadable = true;
  readonly mark: { readonly place: string; readonly stamp: string };
  readonly #file: FileHandle;

  constructor(place: string, file: FileHandle, seen: BigIntStats) {
    this.size = Number(seen.size);
    this.mark = { place, stamp: stampOf(seen) };
    this.#file = file;
  }

  async piece(from: number, most: number): Promise<RequestPayload | undefined> {
    const size = Math.min(most, this.size - from);
    return size > 0 ? { size, pieces: () => this.#read(from, from + size) } : undefined;
  }

  settle(): void {}

  async sha512(onProgress: (bytes: number) => void, signal: AbortSignal | undefined): Promise<string> {
    return await new FileHash(this.mark.place, this.size).digest(this.size, onProgress, signal);
  }

  async unchanged(): Promise<boolean> {
    const seen = await stat(this.mark.place, { bigint: true }).catch(() => undefined);
    return seen !== undefined && stampOf(seen) === this.mark.stamp;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  /** Reads into the fewest buffers that the contract of `Payload` allows, with one read ahead. */
  async *#read(from: number, to: number): AsyncGenerator<Uint8Array> {
    const stride = Math.min(block, to - from);
    const ring = Array.from({ length: Math.min(KEPT + 2, Math.ceil((to - from) / stride)) }, () =>
      Buffer.allocUnsafeSlow(stride),
    );
    const start = (turn: number, at: number): Promise<{ bytesRead: number; buffer: Buffer }> => {
      const reading = this.#file.read(ring[turn % ring.length]!, 0, Math.min(stride, to - at), at);
      reading.catch(() => {});
      return reading;
    };
    let turn = 0;
    let next = start(turn, from);
    for (let at = from; at < to;) {
      const { bytesRead, buffer } = await next;
      if (bytesRead === 0)
        throw new StowageError('source_changed', `${this.mark.place} became shorter while it was read`);
      at += bytesRead;
      turn += 1;
      if (at < to) next = start(turn, at);
      yield buffer.subarray(0, bytesRead);
    }
  }
}

function stampOf(seen: BigIntStats): string {
  return `${seen.size}:${seen.mtimeNs}:${seen.ino}`;
}
