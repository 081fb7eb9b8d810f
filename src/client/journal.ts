/** What a process must leave behind so that the next one can go on with an upload. */

export interface JournalEntry {
  readonly server: string;
  readonly namespace: string;
  readonly name: string;
  /** Where the source is: an absolute path, or what a browser knows of a file. */
  readonly place: string;
  /** What the source looked like; another look is another file. */
  readonly stamp: string;
  readonly size: number;
  readonly upload: string;
  /** Hex, once it is known. */
  readonly sha512?: string;
  /** Milliseconds since the epoch. */
  readonly begunAt: number;
}

/** One entry, and nobody else on this machine has it now. */
export interface Claim {
  /** What an earlier process left; undefined when there is nothing, or it cannot be read. */
  readonly entry: JournalEntry | undefined;
  write(entry: JournalEntry): Promise<void>;
  clear(): Promise<void>;
  /** Lets another process have the entry; it stays where it was not cleared. */
  release(): Promise<void>;
}

export interface Journal {
  /** Takes the entry of `key`; undefined when another process has it. */
  claim(key: readonly string[]): Promise<Claim | undefined>;
  /** What could be gone on with. */
  list(): Promise<JournalEntry[]>;
}

/** Entries older than this are of uploads that any server has long dropped. */
export const staleAfter = 14 * 24 * 3600_000;

/** What was read as an entry; undefined where it is none, as after a version that wrote another form. */
export function parseEntry(value: unknown): JournalEntry | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const entry = value as Partial<Record<keyof JournalEntry, unknown>>;
  const texts = [entry.server, entry.namespace, entry.name, entry.place, entry.stamp, entry.upload];
  const whole =
    texts.every((text) => typeof text === 'string') &&
    Number.isSafeInteger(entry.size) &&
    Number.isFinite(entry.begunAt);
  return whole ? (value as JournalEntry) : undefined;
}
