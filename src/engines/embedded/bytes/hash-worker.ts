/**
 * Worker thread that hashes stages during their appends: from shared memory while it keeps up, else from the file
 * (still in the page cache), as after a restart or a truncation.
 */
import { createHash, type Hash } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { basename } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { crc32 } from 'node:zlib';
import type { CheckAlgorithm } from '../../../core/engine.ts';
import type { ThreadAnswer } from '../../../kit/thread.ts';
import { slotSize, type FreeSlot, type ToWorker, type WorkerSetup } from './hash-protocol.ts';
import { RunFile } from './run-file.ts';

/** Earlier hash states kept for each stage, so that an append can be rolled back. */
const marksKept = 6;
/** Stages whose hash state is kept; the least recently used one is hashed again from the file. */
const stagesKept = 4096;
/** Leaves about a tenth of a contended CPU. */
const niceness = 10;

interface Mark {
  readonly offset: number;
  readonly hash: Hash;
}

/** A filled slot that is not hashed yet. */
interface Piece {
  readonly offset: number;
  readonly size: number;
  readonly slot: number;
}

interface Want {
  readonly size: number;
  readonly ticket: number;
}

interface Running {
  hash: Hash;
  /** Bytes hashed. */
  position: number;
  /** Bytes known to be in the file. */
  written: number;
  marks: Mark[];
  pieces: Piece[];
  wants: Want[];
  /** Open while there are bytes to read. */
  file: RunFile | undefined;
  path: string;
  /** Whether a read is scheduled. */
  reading: boolean;
}

const { slots, gentle } = workerData as WorkerSetup;
const memory = Buffer.from(slots);
const block = Buffer.allocUnsafeSlow(slotSize);
const stages = new Map<string, Running>();
/** Hash states of blobs that are being sent. */
const checks = new Map<number, readonly { readonly algorithm: CheckAlgorithm; readonly hash: CheckHash }[]>();
const port = parentPort!;

if (gentle) lowerPriority();

port.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'slot':
      return takeSlot(message);
    case 'grown': {
      const running = find(message.stage, message.path);
      running.written = Math.max(running.written, message.size);
      return catchUp(message.stage, running);
    }
    case 'begun': {
      const running = stages.get(message.stage);
      if (running?.position === message.offset) mark(running);
      return;
    }
    case 'cut': {
      const running = stages.get(message.stage);
      if (!running) return;
      rewind(running, message.size);
      // The path may have a different file now.
      return closeFile(running);
    }
    case 'digest': {
      const running = find(message.stage, message.path);
      running.written = Math.max(running.written, message.size);
      running.wants.push(message);
      return catchUp(message.stage, running);
    }
    case 'forget': {
      const running = stages.get(message.stage);
      if (running) fail(message.stage, running, new Error('the stage was dropped'));
      return;
    }
    case 'check':
      return void checks.set(
        message.check,
        message.algorithms.map((algorithm) => ({ algorithm, hash: newCheckHash(algorithm) })),
      );
    case 'block': {
      const { check, ticket, bytes } = message;
      for (const { hash } of checks.get(check) ?? []) hash.update(bytes);
      return port.postMessage([[ticket, bytes] satisfies ThreadAnswer], [bytes.buffer]);
    }
    case 'sum':
      return answerWith(message.ticket, digestsOf(message.check));
    case 'checked':
      checks.delete(message.check);
  }
});

function digestsOf(check: number): { algorithm: CheckAlgorithm; hex: string }[] {
  return (checks.get(check) ?? []).map(({ algorithm, hash }) => ({ algorithm, hex: hash.digest() }));
}

interface CheckHash {
  update(bytes: Uint8Array): unknown;
  digest(): string;
}

function newCheckHash(algorithm: CheckAlgorithm): CheckHash {
  if (algorithm === 'sha512') {
    const hash = createHash('sha512');
    return { update: (bytes) => hash.update(bytes), digest: () => hash.digest('hex') };
  }
  let crc = 0;
  return { update: (bytes) => (crc = crc32(bytes, crc)), digest: () => crc.toString(16).padStart(8, '0') };
}

/** Lowers the priority of this thread. Only Linux has thread priorities. */
function lowerPriority(): void {
  try {
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), niceness);
  } catch {
    // Not Linux.
  }
}

function answerWith(...answer: ThreadAnswer): void {
  port.postMessage([answer]);
}

function free(slot: number): void {
  port.postMessage({ slot } satisfies FreeSlot);
}

function find(stage: string, path: string): Running {
  let running = stages.get(stage);
  if (running) stages.delete(stage);
  else
    running = {
      hash: createHash('sha512'),
      position: 0,
      written: 0,
      marks: [],
      pieces: [],
      wants: [],
      file: undefined,
      path,
      reading: false,
    };
  stages.set(stage, running);
  if (stages.size > stagesKept) forgetOldest();
  return running;
}

function forgetOldest(): void {
  for (const [stage, running] of stages) {
    if (running.reading || running.wants.length > 0 || running.pieces.length > 0) continue;
    stages.delete(stage);
    return;
  }
}

function takeSlot({ stage, path, written, ...piece }: Extract<ToWorker, { kind: 'slot' }>): void {
  const running = find(stage, path);
  running.written = Math.max(running.written, written);
  running.pieces.push(piece);
  catchUp(stage, running);
}

/** Hashes the contiguous pieces. A piece after a gap waits until the gap is read from the file. */
function takePieces(running: Running): void {
  for (let piece = running.pieces[0]; piece && piece.offset <= running.position; piece = running.pieces[0]) {
    if (piece.offset === running.position) {
      if (running.wants.some((want) => want.size === running.position)) answer(running);
      running.hash.update(memory.subarray(piece.slot * slotSize, piece.slot * slotSize + piece.size));
      running.position += piece.size;
    }
    running.pieces.shift();
    free(piece.slot);
  }
}

/** Answers what it can, and reads one block a turn so that other stages make progress. */
function catchUp(stage: string, running: Running): void {
  takePieces(running);
  answer(running);
  const goal = Math.min(
    Math.max(running.written, ...running.wants.map((want) => want.size)),
    running.pieces[0]?.offset ?? Infinity,
  );
  if (running.position >= goal) return closeFile(running);
  if (running.reading) return;
  running.reading = true;
  setImmediate(() => {
    running.reading = false;
    if (stages.get(stage) !== running) return closeFile(running);
    try {
      readBlock(running, goal);
    } catch (error) {
      return fail(stage, running, error);
    }
    catchUp(stage, running);
  });
}

function readBlock(running: Running, goal: number): void {
  const end = nextStop(running, goal);
  if (running.position >= end) return;
  running.file ??= new RunFile(running.path);
  const got = running.file.read(block, Math.min(block.length, end - running.position), running.position);
  if (got === 0) throw new Error(`the stage ends at ${running.position}, before ${end}`);
  running.hash.update(block.subarray(0, got));
  running.position += got;
}

/** Reading stops at each offset whose digest is wanted. */
function nextStop(running: Running, goal: number): number {
  return running.wants.reduce((stop, want) => (want.size > running.position ? Math.min(stop, want.size) : stop), goal);
}

function answer(running: Running): void {
  for (const want of running.wants.filter((one) => one.size < running.position)) rewind(running, want.size);
  if (!running.wants.some((want) => want.size === running.position)) return;
  const hex = running.hash.copy().digest('hex');
  for (const want of running.wants) if (want.size === running.position) answerWith(want.ticket, hex);
  running.wants = running.wants.filter((want) => want.size !== running.position);
}

function mark(running: Running): void {
  if (running.marks.at(-1)?.offset === running.position) return;
  running.marks.push({ offset: running.position, hash: running.hash.copy() });
  if (running.marks.length > marksKept) running.marks.shift();
}

/** Restores the state at `size`, or the nearest one before it. */
function rewind(running: Running, size: number): void {
  running.written = Math.min(running.written, size);
  for (const piece of running.pieces) if (piece.offset >= size) free(piece.slot);
  running.pieces = running.pieces.filter((piece) => piece.offset < size);
  if (running.position <= size) return;
  running.marks = running.marks.filter((one) => one.offset <= size);
  const last = running.marks.at(-1);
  running.hash = last ? last.hash.copy() : createHash('sha512');
  running.position = last?.offset ?? 0;
}

function fail(stage: string, running: Running, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  for (const want of running.wants) answerWith(want.ticket, undefined, message);
  release(running);
  stages.delete(stage);
}

/** Frees the slots and the file of a stage. */
function release(running: Running): void {
  for (const piece of running.pieces) free(piece.slot);
  running.pieces = [];
  closeFile(running);
}

function closeFile(running: Running): void {
  running.file?.close();
  running.file = undefined;
}
