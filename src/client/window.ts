/** The bytes of a stream that were read and may not be stored yet. */
export class SendWindow {
  #base = 0;
  #end = 0;
  #pieces: Uint8Array[] = [];

  /** Offset of the first buffered byte. */
  get base(): number {
    return this.#base;
  }

  /** Offset after the last byte read. */
  get end(): number {
    return this.#end;
  }

  push(piece: Uint8Array): void {
    if (piece.byteLength === 0) return;
    this.#pieces.push(piece);
    this.#end += piece.byteLength;
  }

  /** Drops everything before `offset`, which must not exceed `end`. */
  settle(offset: number): void {
    if (offset > this.#end) throw new RangeError(`offset ${offset} is beyond ${this.#end}`);
    let dropped = 0;
    for (const piece of this.#pieces) {
      if (this.#base + piece.byteLength > offset) break;
      this.#base += piece.byteLength;
      dropped += 1;
    }
    if (dropped > 0) this.#pieces = this.#pieces.slice(dropped);
    const first = this.#pieces[0];
    if (first && offset > this.#base) {
      this.#pieces[0] = first.subarray(offset - this.#base);
      this.#base = offset;
    }
  }

  /** At most `most` bytes from `from` on, without a copy; undefined if `from` is not buffered. */
  slice(from: number, most: number): Uint8Array[] | undefined {
    if (from < this.#base || from > this.#end) return undefined;
    const found: Uint8Array[] = [];
    let at = this.#base;
    let left = most;
    for (const piece of this.#pieces) {
      const skip = Math.max(0, from - at);
      at += piece.byteLength;
      if (skip >= piece.byteLength) continue;
      const part = piece.subarray(skip, Math.min(piece.byteLength, skip + left));
      found.push(part);
      left -= part.byteLength;
      if (left === 0) break;
    }
    return found;
  }
}
