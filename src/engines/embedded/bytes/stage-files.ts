import { constants, copyFile, open, rename, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Refusal } from '../../../core/refusal.ts';
import { newId } from '../../../kit/ids.ts';
import { asRefusal, errorCodeOf, type Disk } from '../disk.ts';

/** Files kept open between appends. */
const limit = 64;

/** Keeps stage files open between appends: opening and closing one costs as much as a small append. */
export class StageFiles {
  readonly #disk: Disk;
  readonly #kept = new Map<string, FileHandle>();

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /**
   * Opens the file of a stage and truncates it to `offset`. The caller has it exclusively until it is kept or closed.
   *
   * @throws Refusal `lost` if the file is shorter
   */
  async take(stage: string, path: string, offset: number): Promise<FileHandle> {
    const kept = this.#kept.get(stage);
    this.#kept.delete(stage);
    const file = kept ?? (await openFile(path, offset));
    try {
      const { size, nlink } = await file.stat();
      if (nlink > 0 && size < offset) throw new Refusal('lost', 'the upload has fewer bytes on disk than on record');
      if (nlink === 1 && size > offset) await file.truncate(offset);
      if (nlink === 1 || (nlink > 1 && size === offset)) return file;
      // The file was removed meanwhile, or a joined upload links to its bytes.
      if (nlink > 1) await this.#disown(path, offset);
    } catch (error) {
      await file.close();
      throw asRefusal(error);
    }
    await file.close();
    return this.take(stage, path, offset);
  }

  /** Whether the stage's file is open here; a joined stage never is. */
  has(stage: string): boolean {
    return this.#kept.has(stage);
  }

  keep(stage: string, file: FileHandle): void {
    this.#kept.set(stage, file);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= limit) break;
      this.forget(oldest).catch(() => undefined);
    }
  }

  /** Truncates the file of a stage to `size`, durably. */
  async cut(stage: string, path: string, size: number): Promise<void> {
    const file = await this.take(stage, path, size);
    try {
      await this.#disk.sync(file);
    } finally {
      this.keep(stage, file);
    }
  }

  /** Closes the stage's file, which frees the space of a removed one. */
  async forget(stage: string): Promise<void> {
    const file = this.#kept.get(stage);
    this.#kept.delete(stage);
    // Errors of `close` do not matter: every append synced what it acknowledged.
    await file?.close().catch(() => undefined);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#kept.keys()].map((stage) => this.forget(stage)));
  }

  /** Replaces the stage's file by a copy of `size` bytes; joined uploads keep the original. */
  async #disown(path: string, size: number): Promise<void> {
    // The copy has the name of an unknown stage, so that the sweep removes it after a crash.
    const copy = join(dirname(path), newId());
    await copyFile(path, copy, constants.COPYFILE_FICLONE);
    const file = await open(copy, 'r+');
    try {
      await file.truncate(size);
      await this.#disk.sync(file);
    } finally {
      await file.close();
    }
    await rename(copy, path);
    await this.#disk.syncFolder(dirname(path));
  }
}

/** Without O_APPEND, because writes use explicit positions. */
async function openFile(path: string, offset: number): Promise<FileHandle> {
  try {
    return await open(path, 'r+');
  } catch (error) {
    if (errorCodeOf(error) !== 'ENOENT') throw asRefusal(error);
    if (offset > 0) throw new Refusal('lost', 'the bytes of the upload are missing on disk', {}, error);
  }
  return open(path, 'wx+', 0o600).catch((error: unknown) => Promise.reject(asRefusal(error)));
}
