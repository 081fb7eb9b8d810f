import { read } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { Refusal } from '../../../core/refusal.ts';
import { asReadRefusal } from '../disk.ts';
import { endOf, piecesAt, type Piece } from './joined.ts';

/** Reads a stored file or its pieces without checking digests. */
export interface RawReader {
  readonly size: number;
  /** Each block has its own memory. */
  read(from: number, to: number): AsyncIterable<Buffer<ArrayBuffer>>;
  close(): Promise<void>;
}

/** Bytes of one read: large enough for few round trips to the thread pool, small enough for many readers. */
const block = 512 * 1024;

/**
 * Opens a file or its pieces.
 *
 * @throws Refusal `lost` if the path is missing
 */
export async function openReader(path: string): Promise<RawReader> {
  const file = await FileReader.open(path);
  if (file) return file;
  const pieces = await piecesAt(path);
  if (pieces) return new PiecesReader(pieces);
  throw new Refusal('lost', 'the bytes are missing on disk');
}

/** Reads pieces as one; each is open only while it is read. */
class PiecesReader implements RawReader {
  readonly size: number;
  readonly #pieces: readonly Piece[];

  constructor(pieces: readonly Piece[]) {
    this.size = endOf(pieces);
    this.#pieces = pieces;
  }

  async *read(from: number, to: number): AsyncIterable<Buffer<ArrayBuffer>> {
    for (const piece of this.#pieces) {
      const begin = Math.max(from, piece.from);
      const end = Math.min(to, piece.from + piece.size);
      if (begin >= end) continue;
      const reader = await openReader(piece.path);
      try {
        yield* reader.read(begin - piece.from, end - piece.from);
      } finally {
        await reader.close();
      }
    }
    if (to > this.size) throw new Refusal('lost', `the bytes end at ${this.size}, before ${to}`);
  }

  async close(): Promise<void> {
    // Nothing stays open between reads.
  }
}

/** Reads ranges of a file, one block ahead of the consumer. */
class FileReader implements RawReader {
  readonly size: number;
  readonly #file: FileHandle;
  /** Pending reads. The file must not be closed before they end, because its descriptor could be reused. */
  readonly #underWay = new Set<Promise<Buffer<ArrayBuffer>>>();

  /** Undefined if the path is a folder. */
  static async open(path: string): Promise<FileReader | undefined> {
    let file: FileHandle | undefined;
    try {
      file = await open(path, 'r');
      const facts = await file.stat();
      if (!facts.isDirectory()) return new FileReader(file, facts.size);
      await file.close();
      return undefined;
    } catch (error) {
      await file?.close().catch(() => undefined);
      throw asReadRefusal(error);
    }
  }

  private constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.size = size;
  }

  async *read(from: number, to: number): AsyncIterable<Buffer<ArrayBuffer>> {
    let position = from;
    let ahead = position < to ? this.#block(position, to) : undefined;
    while (ahead) {
      const bytes = await ahead;
      position += bytes.length;
      ahead = position < to ? this.#block(position, to) : undefined;
      // A failed read ahead is reported when it is awaited.
      ahead?.catch(() => undefined);
      yield bytes;
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    await this.#file.close();
  }

  #block(position: number, to: number): Promise<Buffer<ArrayBuffer>> {
    const buffer = Buffer.allocUnsafeSlow(Math.min(block, to - position));
    const reading = new Promise<Buffer<ArrayBuffer>>((resolve, reject) => {
      read(this.#file.fd, buffer, 0, buffer.length, position, (error, got) => {
        if (error) reject(asReadRefusal(error));
        else if (got === 0) reject(new Refusal('lost', `the bytes end at ${position}, before ${to}`));
        else resolve(got === buffer.length ? buffer : buffer.subarray(0, got));
      });
    });
    this.#underWay.add(reading);
    const landed = (): void => void this.#underWay.delete(reading);
    reading.then(landed, landed);
    return reading;
  }
}
