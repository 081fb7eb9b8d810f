/** A thread that hashes one file as far as it may. */
import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { parentPort, workerData } from 'node:worker_threads';

/** How far to hash; with `last`, that the digest is wanted there. */
export interface HashOrder {
  readonly limit: number;
  readonly last: boolean;
}

export type HashAnswer =
  { readonly done: number } | { readonly digest: string } | { readonly failure: string; readonly short: boolean };

const block = 1024 * 1024;
/** Bytes between two reports. */
const reportEvery = 16 * block;

const hash = createHash('sha512');
// Two, so that the next block is read while this one is hashed.
const buffers = [Buffer.allocUnsafeSlow(block), Buffer.allocUnsafeSlow(block)] as const;
let order: HashOrder = { limit: 0, last: false };
let position = 0;
let running = false;

parentPort?.on('message', (next: HashOrder) => {
  order = next;
  if (running) return;
  running = true;
  work().then(tell, (error: unknown) =>
    tell({ failure: error instanceof Error ? error.message : String(error), short: false }),
  );
});

/** Answers what there is to tell once it is up with the orders. */
async function work(): Promise<HashAnswer> {
  try {
    // Orders also come while a file is closed.
    while (position < order.limit) {
      const file = await open(workerData as string, 'r');
      try {
        if (!(await follow(file))) return { failure: 'short', short: true };
      } finally {
        await file.close();
      }
    }
  } finally {
    running = false;
  }
  return order.last ? { digest: hash.digest('hex') } : { done: position };
}

/** Hashes up to the limit, wherever that moves in the meantime; false when the file ends before. */
async function follow(file: FileHandle): Promise<boolean> {
  let turn = 0;
  let pending = read(file, turn, position);
  while (position < order.limit) {
    const { bytesRead, buffer } = await pending;
    // A read ahead may have met the end that was, before the file grew.
    const size = Math.min(bytesRead, order.limit - position);
    if (size === 0) {
      const again = await read(file, turn, position);
      if (again.bytesRead === 0) return false;
      pending = Promise.resolve(again);
      continue;
    }
    turn ^= 1;
    const next = read(file, turn, position + size);
    hash.update(buffer.subarray(0, size));
    if (Math.floor((position + size) / reportEvery) > Math.floor(position / reportEvery))
      tell({ done: position + size });
    position += size;
    pending = next;
  }
  await pending;
  return true;
}

function read(file: FileHandle, turn: number, at: number): Promise<{ bytesRead: number; buffer: Buffer }> {
  return file.read(buffers[turn % 2]!, 0, block, at);
}

function tell(answer: HashAnswer): void {
  parentPort?.postMessage(answer);
}
