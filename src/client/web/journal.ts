/** A journal in localStorage: one item an entry, locked with a web lock if the browser has them. */
import { LowSync } from 'lowdb';
import { LocalStorage } from 'lowdb/browser';
import { parseEntry, staleAfter, type JournalClaim, type Journal, type JournalEntry } from '../journal.ts';

const prefix = 'stowage-upload:';

/** A journal in this origin's localStorage; undefined without one, as in private modes. */
export function webJournal(): Journal | undefined {
  let storage: Storage;
  try {
    storage = globalThis.localStorage;
    if (!storage) return undefined;
  } catch {
    return undefined;
  }
  return {
    claim: async (key) => {
      const name = prefix + JSON.stringify(key);
      const release = await lock(name);
      return release && claimOf(name, release);
    },
    list: async () => entriesOf(storage),
  };
}

function claimOf(name: string, release: () => void): JournalClaim {
  const db = new LowSync<JournalEntry | null>(new LocalStorage(name), null);
  let entry: JournalEntry | undefined;
  try {
    db.read();
    entry = parseEntry(db.data);
  } catch {
    // Another form, or corrupt: treated as no entry.
  }
  return {
    entry,
    write: async (next) => {
      db.data = next;
      db.write();
    },
    clear: async () => globalThis.localStorage.removeItem(name),
    release: async () => release(),
  };
}

function entriesOf(storage: Storage): JournalEntry[] {
  const found: JournalEntry[] = [];
  for (const key of Object.keys(storage)) {
    if (!key.startsWith(prefix)) continue;
    const entry = claimOf(key, () => {}).entry;
    if (entry && Date.now() - entry.begunAt < staleAfter) found.push(entry);
    else storage.removeItem(key);
  }
  return found;
}

/** Takes the web lock `name`, which ends with the page; undefined if another page has it. */
async function lock(name: string): Promise<(() => void) | undefined> {
  const locks = globalThis.navigator?.locks as LockManager | undefined;
  if (!locks) return () => {};
  return await new Promise((resolve, reject) => {
    locks
      .request(name, { ifAvailable: true }, (held) => {
        if (!held) return resolve(undefined);
        return new Promise<void>((release) => resolve(release));
      })
      .catch(reject);
  });
}
