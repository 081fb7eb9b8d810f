/** A record of a push that a later process can resume. */

export interface JournalEntry {
  readonly server: string;
  readonly namespace: string;
  readonly name: string;
  /** The source: an absolute path, or the browser's description of a file. */
  readonly place: string;
  /** Size and times of the source; a different stamp means a changed file. */
  readonly stamp: string;
  readonly size: number;
  readonly upload: string;
  /** Hex, once it is computed. */
  readonly sha512?: string;
  /** Milliseconds since the epoch. */
  readonly begunAt: number;
}

/** Exclusive access to one entry on this machine. */
export interface JournalClaim {
  /** The entry of an earlier process; undefined if there is none or it is unreadable. */
  readonly entry: JournalEntry | undefined;
  write(entry: JournalEntry): Promise<void>;
  clear(): Promise<void>;
  /** Releases the entry to other processes; it persists unless it was cleared. */
  release(): Promise<void>;
}

export interface Journal {
  /** Locks the entry of `key`; undefined if another process has it. */
  claim(key: readonly string[]): Promise<JournalClaim | undefined>;
  /** Pushes that can be resumed. */
  list(): Promise<JournalEntry[]>;
}

/** Milliseconds after which every server has dropped an idle upload. */
export const staleAfter = 14 * 24 * 3600_000;

/** Parses an entry; undefined if it has another form, such as one of a different version. */
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
