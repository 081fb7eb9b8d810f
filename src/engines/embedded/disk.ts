import { open, type FileHandle } from 'node:fs/promises';
import type { Health } from '../../core/engine.ts';
import { Refusal } from '../../core/refusal.ts';
import { Shared } from '../../kit/gate.ts';
import { ShutdownProbe } from './shutdown.ts';

/**
 * What the engine knows of its disk: whether to sync, and whether it can still be trusted.
 *
 * A sync that failed is never tried again on the same bytes: the kernel has dropped them and would say yes. The first
 * failure costs the append that met it; the second, one of a folder, or one while a record is written makes the store
 * read-only. Nothing else does: where a file could not even be opened, nothing was written that could be in doubt.
 */
export class Disk {
  readonly #strict: boolean;
  readonly #folders = new Map<string, Shared>();
  readonly #onFault: (why: string, error: unknown) => void;
  #probe: ShutdownProbe | undefined;
  #failedSyncs = 0;
  #health: Health = { writable: true };

  constructor(strict: boolean, onFault: (why: string, error: unknown) => void) {
    this.#strict = strict;
    this.#onFault = onFault;
  }

  get health(): Health {
    return this.#health;
  }

  /** @throws Refusal `unavailable` once the disk is no longer trusted. */
  demandTrust(): void {
    if (!this.#health.writable) throw new Refusal('unavailable', `the store is read-only: ${this.#health.why}`);
  }

  /** Ends trust for good; only a restart, which recovers from the disk, begins anew. */
  distrust(why: string, error: unknown): void {
    if (!this.#health.writable) return;
    this.#health = { writable: false, why };
    this.#onFault(why, error);
  }

  /** From now on each sync is followed by a check that the file system of the file at `path` still runs. */
  probe(path: string): void {
    if (this.#strict) this.#probe = new ShutdownProbe(path);
  }

  close(): void {
    this.#probe?.close();
    this.#probe = undefined;
  }

  /** Makes a file's bytes durable. */
  async sync(file: FileHandle): Promise<void> {
    if (!this.#strict) return;
    try {
      await file.datasync();
      this.#demandRunning();
    } catch (error) {
      this.#failedSyncs += 1;
      if (this.#failedSyncs > 1) this.distrust('syncing bytes to disk failed twice', error);
      else this.#onFault('syncing bytes to disk failed; the append was refused', error);
      throw asRefusal(error);
    }
  }

  /** Makes a folder's entries durable; callers at the same time share a sync that began after each of them. */
  async syncFolder(path: string): Promise<void> {
    if (!this.#strict) return;
    let shared = this.#folders.get(path);
    if (!shared) {
      shared = new Shared(() => this.#syncFolderNow(path));
      this.#folders.set(path, shared);
    }
    try {
      await shared.run();
    } catch (error) {
      throw asRefusal(error);
    } finally {
      // Every joined blob has a folder of its own: those that nobody syncs are forgotten.
      if (shared.idle && this.#folders.get(path) === shared) this.#folders.delete(path);
    }
  }

  async #syncFolderNow(path: string): Promise<void> {
    const folder = await open(path, 'r');
    try {
      await folder.sync();
      this.#demandRunning();
    } catch (error) {
      this.distrust('syncing a folder to disk failed', error);
      throw error;
    } finally {
      await folder.close();
    }
  }

  #demandRunning(): void {
    try {
      this.#probe?.demandRunning();
    } catch (error) {
      this.distrust('the file system has shut down', error);
      throw error;
    }
  }
}

/** What the operating system says, as far as the core has a word for it. */
export function asRefusal(error: unknown): unknown {
  switch (codeOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return new Refusal('full', 'the disk is full', {}, error);
    case 'EIO':
    case 'EROFS':
    case 'EMFILE':
    case 'ENFILE':
    case 'ENOMEM':
    case 'EACCES':
    case 'EPERM':
      return new Refusal('unavailable', 'the disk could not write the bytes', {}, error);
    default:
      return error;
  }
}

/**
 * Why bytes could not be read. Only a path with nothing at it is a loss; whatever else the system says (no descriptors left, no memory, no
 * permission, a sector that fails) tells nothing of the bytes, and may be over soon.
 */
export function asReadRefusal(error: unknown): unknown {
  const code = codeOf(error);
  if (code === undefined || error instanceof Refusal) return error;
  if (code === 'ENOENT') return new Refusal('lost', 'the bytes are missing on disk', {}, error);
  return new Refusal('unavailable', 'the bytes cannot be read from disk now', {}, error);
}

/** The operating system's name for what went wrong: `ENOENT`. */
export function codeOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}
