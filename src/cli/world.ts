/** What the command line sees of the process; a test gives its own. */
import type { Readable, Writable } from 'node:stream';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where text goes; `isTTY` and `columns` as streams of terminals have them. */
export type Terminal = Writable & { readonly isTTY?: boolean; readonly columns?: number };

export interface World {
  readonly env: Environment;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  /** Fires when the process is asked to stop. */
  readonly signal: AbortSignal;
}
