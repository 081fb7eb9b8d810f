/** Lock files between the processes of one machine. A lock file names its holder. */
import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';

export interface Lock {
  release(): Promise<void>;
}

/** Milliseconds between two heartbeats, and without one until the holder counts as dead. */
const heartbeat = 10_000;
const deadAfter = 60_000;

/**
 * Takes the lock at `path`; undefined if a live process holds it.
 *
 * The lock of a dead holder is taken over. Two processes that do so at the same moment may both get it, so use it only
 * to avoid conflicts, not where a second holder would do harm.
 */
export async function takeLock(path: string): Promise<Lock | undefined> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), id: randomUUID() });
  for (let tries = 0; tries < 3; tries += 1) {
    if (await create(path, mine)) return held(path, mine);
    const theirs = await readFile(path, 'utf8').catch(() => undefined);
    if (theirs === undefined) continue;
    if (await alive(path, theirs)) return undefined;
    await removeStale(path, theirs);
  }
  return undefined;
}

async function create(path: string, text: string): Promise<boolean> {
  // The file is linked into place, so that readers never see a partial one.
  const fresh = `${path}.${randomUUID()}`;
  const file = await open(fresh, 'wx', 0o600);
  try {
    await file.writeFile(text);
  } finally {
    await file.close();
  }
  try {
    await link(fresh, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(fresh, { force: true });
  }
}

function held(path: string, mine: string): Lock {
  const timer = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, heartbeat);
  timer.unref();
  return {
    release: async () => {
      clearInterval(timer);
      if ((await readFile(path, 'utf8').catch(() => undefined)) === mine) await rm(path, { force: true });
    },
  };
}

async function alive(path: string, text: string): Promise<boolean> {
  const seen = await stat(path).catch(() => undefined);
  if (!seen || Date.now() - seen.mtimeMs > deadAfter) return false;
  try {
    const { pid, host } = JSON.parse(text) as { pid: number; host: string };
    if (host !== hostname()) return true;
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Removes the lock of a dead holder, unless another process took it meanwhile. */
async function removeStale(path: string, dead: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  if ((await readFile(aside, 'utf8').catch(() => dead)) !== dead) await link(aside, path).catch(() => {});
  await rm(aside, { force: true });
}
