import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { piecesIn, type Piece } from './joined.ts';

/** Synchronous access to a stored file or its pieces, for a worker thread. */
export class RunFile {
  readonly #path: string;
  /** Undefined if the path is one file. */
  #pieces: readonly Piece[] | undefined;
  #file: number;
  /** The open piece. */
  #open: Piece | undefined;

  constructor(path: string) {
    this.#path = path;
    this.#file = openSync(path, 'r');
    if (fstatSync(this.#file).isDirectory()) this.#pieces = this.#list();
  }

  /** Reads at most `size` bytes at `position`. @returns the number of bytes; 0 at the end */
  read(into: Uint8Array, size: number, position: number): number {
    if (!this.#pieces) return readSync(this.#file, into, 0, size, position);
    const piece = this.#at(position);
    if (!piece) return 0;
    if (piece !== this.#open) {
      this.close();
      this.#file = openSync(piece.path, 'r');
      this.#open = piece;
    }
    return readSync(this.#file, into, 0, Math.min(size, piece.from + piece.size - position), position - piece.from);
  }

  close(): void {
    if (this.#file >= 0) closeSync(this.#file);
    this.#file = -1;
    this.#open = undefined;
  }

  #at(position: number): Piece | undefined {
    if (this.#open && holds(this.#open, position)) return this.#open;
    const known = this.#pieces!.find((piece) => holds(piece, position));
    if (known) return known;
    // Pieces may have been added since.
    this.#pieces = this.#list();
    return this.#pieces.find((piece) => holds(piece, position));
  }

  #list(): readonly Piece[] {
    return piecesIn(this.#path, readdirSync(this.#path));
  }
}

function holds({ from, size }: Piece, position: number): boolean {
  return from <= position && position < from + size;
}
