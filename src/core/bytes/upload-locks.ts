import type { Hold, Locks } from '../engine.ts';

/** The lock name of an upload. Every change of the upload or its bytes holds this lock. */
export function lockOf(upload: string): string {
  return `upload/${upload}`;
}

/** Runs `work` with the lock of an upload; the current holder is asked to yield. */
export async function holding<T>(locks: Locks, upload: string, work: (hold: Hold) => Promise<T>): Promise<T> {
  const hold = await locks.take(lockOf(upload));
  try {
    return await work(hold);
  } finally {
    hold.release();
  }
}

/** Runs `work` with the lock of an upload if it is free; otherwise returns `otherwise` at once. */
export async function holdingIfFree<T>(locks: Locks, upload: string, otherwise: T, work: () => Promise<T>): Promise<T> {
  const hold = await locks.tryTake(lockOf(upload));
  if (!hold) return otherwise;
  try {
    return await work();
  } finally {
    hold.release();
  }
}
