/** How many connections are taken at once, over all ports, and how many the limit of open files has room for. */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';

/**
 * Open files that the server needs beside its connections: its threads, the catalog, the ports, 64 uploads whose files stay open
 * between appends, a sweep, a scrub, and fetches.
 */
const reserved = 176;
/** Open files of a connection at work: its socket, the file that it reads or writes, and that file in the thread that hashes it. */
const each = 3;
/** With fewer, not even the program is sure to load: the files of its modules are opened many at a time. */
const leastOpenFiles = 512;

/** @throws Error when the limit of open files leaves no room to work. */
export function connectionsWithin(wanted: number, openFiles: number | undefined): number {
  if (openFiles === undefined) return wanted;
  if (openFiles < leastOpenFiles) {
    const remedy = 'raise it with ulimit -n, or with LimitNOFILE of systemd';
    throw new Error(`the limit of open files is ${openFiles}, and at least ${leastOpenFiles} are needed; ${remedy}`);
  }
  return Math.min(wanted, Math.floor((openFiles - reserved) / each));
}

/** The limit of files that this process may have open; undefined where the system does not tell. */
export function openFileLimit(): number | undefined {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}

/** Counts the connections of several ports together. */
export class ConnectionCap {
  readonly #most: number;
  #open = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Keeps a new connection until it closes, or closes it at once where there are too many. */
  admit(socket: Socket): void {
    if (this.#open >= this.#most) {
      socket.destroy();
      return;
    }
    this.#open += 1;
    socket.once('close', () => (this.#open -= 1));
  }
}
