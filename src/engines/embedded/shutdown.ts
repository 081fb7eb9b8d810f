import { closeSync, openSync, readSync } from 'node:fs';

/**
 * Tells whether a file system has shut itself down: its journal aborted, or its disk went away.
 *
 * A sync that is under way then can still succeed, with nothing kept. ext4 says yes when another sync has ended the
 * aborted transaction first; xfs says yes to each sync of a folder. Both refuse every read. So a sync counts once a
 * read that began after it has succeeded. The read comes from the page cache and takes 2 microseconds; it is made on
 * the thread that asks.
 */
export class ShutdownProbe {
  readonly #file: number;
  readonly #byte = Buffer.alloc(1);

  /** @param path a file on the file system. It stays open, so that no check can fail for want of a descriptor. */
  constructor(path: string) {
    this.#file = openSync(path, 'r');
  }

  /** @throws Error with the code `EIO` when the file system has shut down. */
  demandRunning(): void {
    readSync(this.#file, this.#byte, 0, 1, 0);
  }

  close(): void {
    closeSync(this.#file);
  }
}
