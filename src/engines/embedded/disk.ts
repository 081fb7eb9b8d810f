import { open, type FileHandle } from 'node:fs/promises';
import type { Health } from '../../core/engine.ts';
import { Refusal } from '../../core/refusal.ts';
import { Shared } from '../../kit/gate.ts';
import { ShutdownProbe } from './shutdown.ts';

/**
 * Syncs files and folders, and tracks whether the disk can be trusted.
 *
 * A failed sync is never retried on the same bytes: the kernel has dropped them and would report success. The first
 * failure fails one append. The second, one of a folder, or one during a catalog write makes the store read-only. Other
 * errors do not: if a file could not even be opened, nothing was written.
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

  /** @throws Refusal `unavailable` if the disk is no longer trusted */
  demandTrust(): void {
    if (!this.#health.writable) throw new Refusal('unavailable', `the store is read-only: ${this.#health.why}`);
  }

  /** Makes the store read-only until a restart, which recovers from the disk. */
  distrust(why: string, error: unknown): void {
    if (!this.#health.writable) return;
    this.#health = { writable: false, why };
    this.#onFault(why, error);
  }

  /** From now on, each sync also checks that the file system of the file at `path` still runs. */
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

  /** Makes a folder's entries durable. Concurrent callers share a sync that began after each call. */
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
      // Every joined blob has its own folder, so idle entries are removed.
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

/** Maps errors of the operating system to refusals where one fits. */
export function asRefusal(error: unknown): unknown {
  switch (errorCodeOf(error)) {
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
 * Maps read errors to refusals. Only a missing path means lost bytes; any other error (descriptors, memory, permission,
 * a bad sector) says nothing about the bytes and may be temporary.
 */
export function asReadRefusal(error: unknown): unknown {
  const code = errorCodeOf(error);
  if (code === undefined || error instanceof Refusal) return error;
  if (code === 'ENOENT') return new Refusal('lost', 'the bytes are missing on disk', {}, error);
  return new Refusal('unavailable', 'the bytes cannot be read from disk now', {}, error);
}

/** The error code of the operating system, such as `ENOENT`. */
export function errorCodeOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}
