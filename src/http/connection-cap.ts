/** Limits the connections of all ports together, within the limit of open files. */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { sourceOfAddress, within } from './client-address.ts';

/**
 * Open files needed besides connections: threads, catalog, ports, 64 stage files kept open, a sweep, a scrub, and
 * fetches.
 */
const reserved = 176;
/** Open files of an active connection: its socket, its file, and that file in the hash thread. */
const each = 3;
/** With fewer, even loading the program may fail, because Node opens many module files at a time. */
const leastOpenFiles = 512;

/** @throws Error if the limit of open files is too low */
export function connectionsWithin(wanted: number, openFiles: number | undefined): number {
  if (openFiles === undefined) return wanted;
  if (openFiles < leastOpenFiles) {
    const remedy = 'raise it with ulimit -n, or with LimitNOFILE of systemd';
    throw new Error(`the limit of open files is ${openFiles}, and at least ${leastOpenFiles} are needed; ${remedy}`);
  }
  return Math.min(wanted, Math.floor((openFiles - reserved) / each));
}

/** The soft limit of open files of this process; undefined if the system does not report it. */
export function openFileLimit(): number | undefined {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}

/** Counts the connections of several ports together, in total and by address. */
export class ConnectionCap {
  readonly #most: number;
  readonly #mostOfOne: number;
  readonly #isProxy: (address: string) => boolean;
  readonly #bySource = new Map<string, number>();
  #open = 0;

  /**
   * @param options.share percent of the limit that one address (IPv6: /64) may hold, so that one client cannot block
   *   all others
   * @param options.proxies addresses and networks shared by many clients; the share does not apply to them
   */
  constructor(
    most: number,
    { share = 100, proxies = [] }: { readonly share?: number; readonly proxies?: readonly string[] } = {},
  ) {
    this.#most = most;
    this.#mostOfOne = Math.max(1, Math.floor((most * share) / 100));
    this.#isProxy = within(proxies);
  }

  /** Counts a new connection until it closes, or closes it at once if it exceeds a limit. */
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
