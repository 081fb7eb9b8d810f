/** The benchmark's folder: fresh data folders, payload files, free space, and cleanup. */
import { createHash, randomFillSync } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Payload } from './job.ts';

const block = 64 << 20;

export class Ground {
  readonly folder: string;
  #payload: Payload | undefined;

  constructor(parent: string) {
    this.folder = mkdtempSync(join(parent, 'stowage-bench-'));
  }

  /** A new empty folder; the caller removes it. */
  fresh(): string {
    return mkdtempSync(join(this.folder, 'data-'));
  }

  remove(folder: string): void {
    rmSync(folder, { recursive: true, force: true });
  }

  /** Bytes that may still be written here. */
  room(): number {
    const { bavail, bsize } = statfsSync(this.folder);
    return bavail * bsize;
  }

  /** A file of `size` bytes that no compression or deduplication makes smaller; one is kept at a time. */
  payload(size: number): Payload {
    if (this.#payload?.size === size) return this.#payload;
    this.dropPayload();
    const path = join(this.folder, 'payload');
    const digests = { sha256: createHash('sha256'), sha512: createHash('sha512') };
    const bytes = randomFillSync(Buffer.allocUnsafe(Math.min(block, size)));
    const file = openSync(path, 'w');
    for (let at = 0; at < size; at += bytes.length) {
      bytes.writeUInt32BE(at / bytes.length);
      const piece = bytes.subarray(0, size - at);
      writeSync(file, piece);
      for (const digest of Object.values(digests)) digest.update(piece);
    }
    closeSync(file);
    this.#payload = { path, size, sha256: digests.sha256.digest('hex'), sha512: digests.sha512.digest('hex') };
    return this.#payload;
  }

  dropPayload(): void {
    if (this.#payload) rmSync(this.#payload.path, { force: true });
    this.#payload = undefined;
  }

  /** Removes everything. */
  leave(): void {
    this.remove(this.folder);
  }
}
