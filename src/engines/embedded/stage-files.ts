import { open, type FileHandle } from 'node:fs/promises';
import { Refusal } from '../../core/refusal.ts';
import { asRefusal, codeOf } from './disk.ts';

/** Files kept open between appends. */
const limit = 64;

/** The files of stages, left open from one append to the next: opening and closing one costs as much as a small append. */
export class StageFiles {
  readonly #kept = new Map<string, FileHandle>();

  /**
   * Opens the file of a stage for writing. Whoever takes it has it alone, until it is kept or closed.
   *
   * @throws Refusal `lost` when there is none, unless the stage begins.
   */
  async take(stage: string, path: string, offset: number): Promise<{ file: FileHandle; size: number }> {
    const kept = this.#kept.get(stage);
    this.#kept.delete(stage);
    const file = kept ?? (await openFile(path, offset));
    try {
      const { size, nlink } = await file.stat();
      if (nlink > 0) return { file, size };
    } catch (error) {
      await file.close();
      throw asRefusal(error);
    }
    // Somebody removed it beneath us.
    await file.close();
    return this.take(stage, path, offset);
  }

  keep(stage: string, file: FileHandle): void {
    this.#kept.set(stage, file);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= limit) break;
      void this.forget(oldest);
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
}

/** Without O_APPEND: writes go where they belong, not wherever the end is. */
async function openFile(path: string, offset: number): Promise<FileHandle> {
  try {
    return await open(path, 'r+');
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw asRefusal(error);
    if (offset > 0) throw new Refusal('lost', 'the bytes of the upload are gone from the disk', {}, error);
  }
  return open(path, 'wx+', 0o600).catch((error: unknown) => Promise.reject(asRefusal(error)));
}
