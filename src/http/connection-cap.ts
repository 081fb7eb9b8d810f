/** How many connections are taken at once, over all ports, and how many the limit of open files has room for. */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { sourceOfAddress, within } from './client-address.ts';

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

/** Counts the connections of several ports together, in all and by address. */
export class ConnectionCap {
  readonly #most: number;
  readonly #mostOfOne: number;
  readonly #isProxy: (address: string) => boolean;
  readonly #bySource = new Map<string, number>();
  #open = 0;

  /**
   * @param options.share percent of them that one address may hold, so that no stranger's idle connections keep all others out;
   *   of IPv6 an address is its /64.
   * @param options.proxies addresses and networks that many clients share: they may hold all.
   */
  constructor(
    most: number,
    { share = 100, proxies = [] }: { readonly share?: number; readonly proxies?: readonly string[] } = {},
  ) {
    this.#most = most;
    this.#mostOfOne = Math.max(1, Math.floor((most * share) / 100));
    this.#isProxy = within(proxies);
  }

  /** Keeps a new connection until it closes, or closes it at once where there are too many. */
  admit(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const source = sourceOfAddress(address);
    const held = this.#bySource.get(source) ?? 0;
    if (this.#open >= this.#most || (held >= this.#mostOfOne && !this.#isProxy(address))) {
      socket.destroy();
      return;
    }
    this.#open += 1;
    this.#bySource.set(source, held + 1);
    socket.once('close', () => this.#release(source));
  }

  #release(source: string): void {
    this.#open -= 1;
    const left = this.#bySource.get(source)! - 1;
    if (left === 0) this.#bySource.delete(source);
    else this.#bySource.set(source, left);
  }
}
