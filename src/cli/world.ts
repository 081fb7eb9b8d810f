/** What the command line uses of the process; tests pass their own. */
import type { Readable, Writable } from 'node:stream';

export type Environment = Readonly<Record<string, string | undefined>>;

/** An output stream; `isTTY` and `columns` are set if it is a terminal. */
export type Terminal = Writable & { readonly isTTY?: boolean; readonly columns?: number };

export interface World {
  readonly env: Environment;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  /** Fires when the process must stop. */
  readonly signal: AbortSignal;
}
