import { read } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { Refusal } from '../../../core/refusal.ts';
import { asReadRefusal } from '../disk.ts';
import { endOf, piecesAt, type Piece } from './joined.ts';

/** Reads what lies at a path, unchecked. */
export interface RawReader {
  readonly size: number;
  /** Each block has memory of its own. */
  read(from: number, to: number): AsyncIterable<Buffer<ArrayBuffer>>;
  close(): Promise<void>;
}

/** Bytes read at once: large enough to cost few trips to the thread pool, small enough that many readers fit in memory. */
const block = 512 * 1024;

/**
 * Reads what lies at a path, file or pieces.
 *
 * @throws Refusal `lost` when nothing does.
 */
export async function openReader(path: string): Promise<RawReader> {
  const file = await FileReader.open(path);
  if (file) return file;
  const pieces = await piecesAt(path);
  if (pieces) return new PiecesReader(pieces);
  throw new Refusal('lost', 'the bytes are missing on disk');
}

/** Reads pieces as one, each open only while it is read. */
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

/** Reads a file by ranges, one block ahead of whoever takes the bytes. */
class FileReader implements RawReader {
  readonly size: number;
  readonly #file: FileHandle;
  /** The reads under way: the file must not be closed, and its number given to another, beneath them. */
  readonly #underWay = new Set<Promise<Buffer<ArrayBuffer>>>();

  /** Undefined where a folder lies. */
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
      // Nobody may be listening when the block ahead fails; it is heard at the next turn.
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
