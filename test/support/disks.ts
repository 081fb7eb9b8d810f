/** File systems in mounted files. Needs root, loop devices and mkfs. */
import { execFileSync } from 'node:child_process';
import { accessSync, mkdtempSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type FileSystem = 'ext4' | 'xfs';

const sizes: Readonly<Record<FileSystem, number>> = { ext4: 320 * 1024 ** 2, xfs: 320 * 1024 ** 2 };
const making: Readonly<Record<FileSystem, readonly string[]>> = {
  ext4: ['mkfs.ext4', '-q', '-F'],
  xfs: ['mkfs.xfs', '-q', '-f'],
};

/** Folder of the image files: in memory if possible, for speed. */
function ground(): string {
  try {
    accessSync('/dev/shm');
    return '/dev/shm';
  } catch {
    return tmpdir();
  }
}

/** A disk in a file. */
export class LoopDisk {
  readonly mount: string;
  readonly #image: string;
  readonly #folder: string;

  /** Creates and mounts it. */
  constructor(kind: FileSystem) {
    this.#folder = mkdtempSync(join(ground(), 'stowage-disk-'));
    this.#image = join(this.#folder, 'image');
    this.mount = join(this.#folder, 'mount');
    mkdirSync(this.mount);
    writeFileSync(this.#image, '');
    truncateSync(this.#image, sizes[kind]);
    const [program, ...options] = making[kind];
    try {
      execFileSync(program!, [...options, this.#image], { stdio: 'pipe' });
      this.#attach();
    } catch (error) {
      rmSync(this.#folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Simulates a reboot: remounts, which replays the journal. */
  restart(): void {
    execFileSync('umount', [this.mount], { stdio: 'pipe' });
    this.#attach();
  }

  remove(): void {
    execFileSync('umount', ['-l', this.mount], { stdio: 'pipe' });
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #attach(): void {
    execFileSync('mount', ['-o', 'loop', this.#image, this.mount], { stdio: 'pipe' });
  }
}

/** Why no such disk can be made here; undefined if it can. */
export function whyNoDisk(kind: FileSystem): string | undefined {
  try {
    new LoopDisk(kind).remove();
    return undefined;
  } catch (error) {
    return error instanceof Error || (typeof error === 'object' && error !== null && 'message' in error)
      ? String((error as Error).message).split('\n')[0]
      : String(error);
  }
}
