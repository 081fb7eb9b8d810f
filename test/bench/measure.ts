/** One measurement: a fresh folder, a fresh server process, one job of the load generator, and cleanup. */
import { execFile, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { find, systemKey, type Competitor } from './competitors.ts';
import type { Ground } from './ground.ts';
import type { Job, Payload, Report, Work } from './job.ts';
import { family, freePort, peakMemory, Started } from './proc.ts';

export interface Sample extends Report {
  /** MiB. */
  readonly peak: number;
}

const execute = promisify(execFile);
const beside = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** What is under way, so that an interrupted bench leaves nothing running. */
const running = new Set<Started>();
const loads = new Set<ChildProcess>();

export async function stopAll(): Promise<void> {
  for (const generator of loads) generator.kill();
  await Promise.all([...running].map((server) => server.stop()));
}

/** Measures one competitor at one work, in a folder that goes afterwards, or in one that was filled before and stays. */
export async function measure(
  ground: Ground,
  competitor: Competitor,
  work: Work,
  limit: number,
  filled?: string,
): Promise<Sample> {
  const folder = filled ?? ground.fresh();
  const payload =
    work.kind === 'whole' || work.kind === 'fetch' || work.kind === 'verify' ? ground.payload(work.size) : undefined;
  // What the one before left in memory to be written is not this one's to wait for.
  await execute('sync');
  const port = await freePort();
  const server = new Started(competitor.command(port, folder));
  running.add(server);
  try {
    await server.listening(port);
    const pids = family(server.pid);
    const job: Job = { work, dialect: competitor.dialect, port, key: systemKey, pids, payload, curl: find('curl') };
    const report = await load(job, limit);
    return { ...report, peak: peakMemory(pids) };
  } catch (cause) {
    throw new Error(
      `${competitor.name}: ${cause instanceof Error ? cause.message : String(cause)}${server.said && `\n${server.said}`}`,
      { cause },
    );
  } finally {
    await server.stop();
    running.delete(server);
    if (filled === undefined) ground.remove(folder);
  }
}

/** sha512 alone over the payload, as a sample like any other. */
export async function measureHash(payload: Payload): Promise<Sample> {
  const { stdout } = await execute(process.execPath, ['--no-warnings', beside('sha512.js'), payload.path]);
  const { seconds, cpu, hex } = JSON.parse(stdout) as { seconds: number; cpu: number; hex: string };
  if (hex !== payload.sha512) throw new Error('the payload changed');
  return { seconds, bytes: payload.size, serverCpu: cpu, clientCpu: 0, peak: Number.NaN, others: 0 };
}

async function load(job: Job, limit: number): Promise<Report> {
  const args = ['--no-warnings', beside('load.js'), JSON.stringify(job)];
  const generator = execute(process.execPath, args, { timeout: limit });
  loads.add(generator.child);
  generator.child.once('close', () => loads.delete(generator.child));
  const { stdout } = await generator.catch((cause: { stderr?: string; killed?: boolean }) => {
    // Of all that a failed process says, the line that names the error is the one to read.
    const named = /^\w*Error: .*$/m.exec(cause.stderr ?? '')?.[0];
    throw new Error(cause.killed ? `not done within ${limit / 1000} s` : (named ?? 'the load generator failed'), {
      cause,
    });
  });
  return JSON.parse(stdout) as Report;
}
