import { closeSync, openSync, readSync } from 'node:fs';

/**
 * Detects that a file system has shut down: its journal aborted, or its disk is gone.
 *
 * A concurrent sync may then succeed although nothing was written. ext4 reports success if another sync has ended the
 * aborted transaction; XFS does so for every sync of a folder. Both refuse all reads. So a sync counts only if a later
 * read succeeds. The read comes from the page cache and takes 2 microseconds, so it runs on the calling thread.
 */
export class ShutdownProbe {
  readonly #file: number;
  readonly #byte = Buffer.alloc(1);

  /** @param path a file on the file system; it stays open, so that a check does not need a new descriptor */
  constructor(path: string) {
    this.#file = openSync(path, 'r');
  }

  /** @throws Error with code `EIO` if the file system has shut down */
  demandRunning(): void {
    readSync(this.#file, this.#byte, 0, 1, 0);
  }

  close(): void {
    closeSync(this.#file);
  }
}
