import { DatabaseSync, type DatabaseSyncInstance } from '@photostructure/sqlite';
import { readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { Layout } from './layout.ts';
import { makePrivateFile } from './privacy.ts';

/** Excludes a second process from the folder. The kernel releases the lock when the process ends. */
export class Guard {
  readonly #connection: DatabaseSyncInstance;

  /** @throws Error with code `EBUSY` that names the process using the folder */
  static async enter(layout: Layout): Promise<Guard> {
    await makePrivateFile(layout.guard);
    const connection = new DatabaseSync(layout.guard);
    try {
      connection.exec('PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;');
    } catch {
      connection.close();
      const sentence = `the storage folder ${layout.root} is in use by ${await holderOf(layout)}; only one process may open it`;
      throw Object.assign(new Error(sentence), { code: 'EBUSY' });
    }
    await writeFile(
      layout.guardNote,
      JSON.stringify({ pid: process.pid, host: hostname(), since: new Date().toISOString() }),
      { mode: 0o600 },
    );
    return new Guard(connection);
  }

  private constructor(connection: DatabaseSyncInstance) {
    this.#connection = connection;
  }

  leave(): void {
    this.#connection.close();
  }
}

async function holderOf(layout: Layout): Promise<string> {
  try {
    const note: unknown = JSON.parse(await readFile(layout.guardNote, 'utf8'));
    if (typeof note === 'object' && note !== null && 'pid' in note && 'host' in note)
      return `process ${String(note.pid)} on ${String(note.host)}`;
  } catch {
    // The note is only for the message; the lock is authoritative.
  }
  return 'another process';
}
