/** A journal in files. The hash of an entry's key names its file, so processes write different files. */
import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Low } from 'lowdb';
import { parseEntry, staleAfter, type JournalClaim, type Journal, type JournalEntry } from '../journal.ts';
import { takeLock } from './lock.ts';
import { PrivateFile } from './private-file.ts';

/** A journal in `folder`, which is created on first use. */
export function fileJournal(folder: string): Journal {
  return {
    claim: async (key) => {
      const path = join(folder, nameOf(key));
      await keepPrivate(folder);
      const lock = await takeLock(`${path}.lock`);
      if (!lock) return undefined;
      try {
        return await claimOf(`${path}.json`, lock.release);
      } catch (error) {
        await lock.release();
        throw error;
      }
    },
    list: () => entriesIn(folder),
  };
}

/** Entries name uploads, so only their owner may read the folder. */
async function keepPrivate(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // This fails for a folder of another user; the entries themselves are private anyway.
  await chmod(folder, 0o700).catch(() => undefined);
}

function nameOf(key: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(key)).digest('hex');
}

async function claimOf(path: string, release: () => Promise<void>): Promise<JournalClaim> {
  const db = new Low<JournalEntry | null>(new PrivateFile(path), null);
  await db.read();
  return {
    entry: parseEntry(db.data),
    write: async (entry) => {
      db.data = entry;
      await db.write();
    },
    clear: () => rm(path, { force: true }),
    release,
  };
}

async function entriesIn(folder: string): Promise<JournalEntry[]> {
  const found: JournalEntry[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.endsWith('.json')) continue;
    const path = join(folder, name);
    const entry = parseEntry(await new PrivateFile<unknown>(path).read());
    if (entry && Date.now() - entry.begunAt < staleAfter) found.push(entry);
    else await rm(path, { force: true });
  }
  return found;
}
