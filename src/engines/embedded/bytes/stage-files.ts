import { constants, copyFile, open, rename, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Refusal } from '../../../core/refusal.ts';
import { newId } from '../../../kit/ids.ts';
import { asRefusal, codeOf, type Disk } from '../disk.ts';

/** Files kept open between appends. */
const limit = 64;

/** The files of stages, left open from one append to the next: opening and closing one costs as much as a small append. */
export class StageFiles {
  readonly #disk: Disk;
  readonly #kept = new Map<string, FileHandle>();

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /**
   * Opens the file of a stage for writing at `offset`, where it ends then. Whoever takes it has it alone, until it is kept or closed.
   *
   * @throws Refusal `lost` when it is shorter.
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
      // Somebody removed it beneath us, or others stand on its bytes.
      if (nlink > 1) await this.#disown(path, offset);
    } catch (error) {
      await file.close();
      throw asRefusal(error);
    }
    await file.close();
    return this.take(stage, path, offset);
  }

  /** Whether the stage's file is open here, so that the stage is one file and not joined of several. */
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

  /** Cuts the file of a stage to `size`, durably. */
  async cut(stage: string, path: string, size: number): Promise<void> {
    const file = await this.take(stage, path, size);
    try {
      await this.#disk.sync(file);
    } finally {
      this.keep(stage, file);
    }
  }

  /** Closes the stage's file; its bytes take room on the disk until then. */
  async forget(stage: string): Promise<void> {
    const file = this.#kept.get(stage);
    this.#kept.delete(stage);
    // What a file that is closed has to say concerns nobody: every append synced what it promised.
    await file?.close().catch(() => undefined);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#kept.keys()].map((stage) => this.forget(stage)));
  }

  /** Gives the stage a file of its own, of `size` bytes, and leaves the one at hand to those that were joined of it. */
  async #disown(path: string, size: number): Promise<void> {
    // Named as a stage that no record knows: the sweep takes what a crash leaves of it.
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

/** Without O_APPEND: writes go where they belong, not wherever the end is. */
async function openFile(path: string, offset: number): Promise<FileHandle> {
  try {
    return await open(path, 'r+');
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw asRefusal(error);
    if (offset > 0) throw new Refusal('lost', 'the bytes of the upload are missing on disk', {}, error);
  }
  return open(path, 'wx+', 0o600).catch((error: unknown) => Promise.reject(asRefusal(error)));
}
