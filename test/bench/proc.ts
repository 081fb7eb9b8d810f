/** Starts, stops and measures processes through /proc (Linux only). */
import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** The unit of /proc's times, in seconds; Linux has shown 100 a second to programs for decades. */
const tick = 1 / 100;

/** The fields of /proc/PID/stat from `state` on; the name before them may hold anything, so they count from its end. */
function stat(pid: number | 'self'): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** A process and all that descend from it. */
export function family(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      parents.set(Number(name), Number(stat(Number(name))[1]));
    } catch {
      // It ended between the listing and the look.
    }
  }
  const found = [pid];
  for (const member of found) for (const [child, parent] of parents) if (parent === member) found.push(child);
  return found;
}

/** CPU seconds, user and system, of processes with all their threads. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const fields = stat(pid);
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks * tick;
}

/** CPU seconds of this process and of the children that it has waited for. */
export function ownCpuSeconds(): number {
  return (
    stat('self')
      .slice(11, 15)
      .reduce((sum, field) => sum + Number(field), 0) * tick
  );
}

/** CPU seconds of the whole machine in which it did something. */
export function machineCpuSeconds(): number {
  const [, user, nice, system, , , irq, soft] = readFileSync('/proc/stat', 'latin1')
    .split('\n', 1)[0]!
    .split(/\s+/)
    .map(Number);
  return (user! + nice! + system! + irq! + soft!) * tick;
}

/** The most memory, in MiB, that processes ever held at once, as the sum of each one's peak. */
export function peakMemory(pids: readonly number[]): number {
  let kib = 0;
  for (const pid of pids)
    kib += Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
  return kib / 1024;
}

/** Waits until processes have used no CPU time to speak of for a while. */
export async function idle(pids: readonly number[], limit = 60_000): Promise<void> {
  const deadline = performance.now() + limit;
  for (let before = cpuSeconds(pids), calm = 0; calm < 3;) {
    if (performance.now() > deadline) throw new Error('the server did not come to rest');
    await sleep(100);
    const now = cpuSeconds(pids);
    calm = now - before <= tick ? calm + 1 : 0;
    before = now;
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject).listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A process of ours; what it says on stderr is kept, to be told when it fails. */
export class Started {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #said = '';
  #over = false;

  constructor(command: Command) {
    this.#child = spawn(command.file, [...command.args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...command.env },
      ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
    });
    this.#child.stderr
      ?.setEncoding('utf8')
      .on('data', (text: string) => (this.#said = (this.#said + text).slice(-2000)));
    this.#ended = new Promise((resolve) => {
      this.#child
        .once('error', (error) => (this.#said += error.message))
        .once('close', () => {
          this.#over = true;
          resolve();
        });
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`it did not start: ${this.#said}`);
    return this.#child.pid;
  }

  get said(): string {
    return this.#said.trim();
  }

  /** Waits until somebody listens on the port. */
  async listening(port: number): Promise<void> {
    for (const deadline = performance.now() + 20_000; ; await sleep(20)) {
      if (this.#over) throw new Error(`the server ended at once: ${this.said}`);
      if (await listens(port)) return;
      if (performance.now() > deadline) throw new Error(`the server does not listen: ${this.said}`);
    }
  }

  /** Asks it to end, and after ten seconds no longer asks. */
  async stop(): Promise<void> {
    if (this.#over || this.#child.pid === undefined) return;
    this.#child.kill('SIGTERM');
    const forced = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
    await this.#ended;
    clearTimeout(forced);
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
