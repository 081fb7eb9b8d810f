import type { Hold, Locks } from '../engine.ts';

/** The lock of an upload, which everything that changes the upload or its bytes holds. */
export function lockOf(upload: string): string {
  return `upload/${upload}`;
}

/** Does `work` with the lock of an upload. Its holder is asked to let go. */
export async function holding<T>(locks: Locks, upload: string, work: (hold: Hold) => Promise<T>): Promise<T> {
  const hold = await locks.take(lockOf(upload));
  try {
    return await work(hold);
  } finally {
    hold.release();
  }
}

/** Does `work` with the lock of an upload that nobody holds; otherwise answers `otherwise` at once. */
export async function holdingIfFree<T>(locks: Locks, upload: string, otherwise: T, work: () => Promise<T>): Promise<T> {
  const hold = await locks.tryTake(lockOf(upload));
  if (!hold) return otherwise;
  try {
    return await work();
  } finally {
    hold.release();
  }
}
