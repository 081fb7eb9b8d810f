/** Worker thread that hashes a file while it grows. */
import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { parentPort, workerData } from 'node:worker_threads';
import type { ThreadAnswer } from '../../kit/thread.ts';

/** Offset up to which the file may be hashed; with `id`, the digest there is requested. */
export interface HashOrder {
  readonly limit: number;
  readonly id?: number;
}

/** Bytes hashed so far. */
export interface HashProgress {
  readonly done: number;
}

/** Why there is no digest; `message` is undefined if the file is shorter. */
export interface HashFailure {
  readonly message: string | undefined;
}

const block = 1024 * 1024;
/** Bytes between two progress reports. */
const reportEvery = 16 * block;

const hash = createHash('sha512');
// Two buffers: the next block is read while this one is hashed.
const buffers = [Buffer.allocUnsafeSlow(block), Buffer.allocUnsafeSlow(block)] as const;
let order: HashOrder = { limit: 0 };
let position = 0;
let running = false;

parentPort?.on('message', (next: HashOrder) => {
  order = next;
  if (running) return;
  running = true;
  work().then(answer, (error: unknown) => fail(error instanceof Error ? error.message : String(error)));
});

/** Hashes until the current order is done; false if the file is shorter. */
async function work(): Promise<boolean> {
  try {
    // A new order may arrive while the file is being closed.
    while (position < order.limit) {
      const file = await open(workerData as string, 'r');
      try {
        if (!(await follow(file))) return false;
      } finally {
        await file.close();
      }
    }
  } finally {
    running = false;
  }
  return true;
}

/** Hashes up to the limit, which may move meanwhile; false if the file is shorter. */
async function follow(file: FileHandle): Promise<boolean> {
  let turn = 0;
  let pending = read(file, turn, position);
  while (position < order.limit) {
    const { bytesRead, buffer } = await pending;
    // The read ahead may have returned less because the file has grown since.
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
    if (Math.floor((position + size) / reportEvery) > Math.floor(position / reportEvery)) tell(position + size);
    position += size;
    pending = next;
  }
  await pending;
  return true;
}

function read(file: FileHandle, turn: number, at: number): Promise<{ bytesRead: number; buffer: Buffer }> {
  return file.read(buffers[turn % 2]!, 0, block, at);
}

function answer(whole: boolean): void {
  if (!whole) fail(undefined);
  else if (order.id === undefined) tell(position);
  else parentPort?.postMessage([[order.id, hash.digest('hex')] satisfies ThreadAnswer]);
}

function fail(message: string | undefined): void {
  if (order.id !== undefined)
    parentPort?.postMessage([[order.id, undefined, { message } satisfies HashFailure] satisfies ThreadAnswer]);
}

function tell(done: number): void {
  parentPort?.postMessage({ done } satisfies HashProgress);
}
