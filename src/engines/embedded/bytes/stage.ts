import { write, writev } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { StageWriter } from '../../../core/engine.ts';
import { asRefusal, type Disk } from '../disk.ts';
import { hashInlineLimit, type Hasher } from './hasher.ts';
import { slotSize } from './hash-protocol.ts';
import type { SharedBlock } from './shared-blocks.ts';
import type { StageFiles } from './stage-files.ts';

/** Maximum unwritten bytes before senders wait: of all uploads together, and of one. */
const budget = 16 * slotSize;
const most = 4 * slotSize;
const least = slotSize / 4;
/** Concurrent writes of one upload. */
const depth = 3;
/** Slots that one upload may hold while its hash falls behind. */
const maxSlots = 8;

export interface StageDeps {
  readonly stage: string;
  readonly path: string;
  readonly folder: string;
  readonly disk: Disk;
  readonly hasher: Hasher;
  readonly files: StageFiles;
  /** The stages being written now. */
  readonly active: Set<string>;
  /** Whether writes wait for the hash when it falls behind, instead of bypassing it. */
  readonly paced: boolean;
  /** Whether the sha512 is computed during the append. */
  readonly hashed: boolean;
  /** Whether the directory entry must be durable before the stage is sealed. */
  readonly lasting: boolean;
}

/** Writes at explicit positions, so that a repeated write lands where the first did. */
export class FileStageWriter implements StageWriter {
  readonly #parts: StageDeps;
  readonly #file: FileHandle;
  /** Whether the directory entry may not be durable yet. */
  #fresh: boolean;
  /** Received bytes that are not being written yet. */
  #gathered: Uint8Array[] = [];
  #gatheredSize = 0;
  #issued: number;
  #writing = 0;
  #slotsHeld = 0;
  /** Offset below which the hash thread must read from the file, because those bytes bypassed shared memory. */
  #bypassedBelow: number;
  /** Ends of completed writes after the first incomplete one. */
  readonly #ends = new Map<number, number>();
  #written: number;
  #fault: { readonly error: unknown } | undefined;
  #wake: (() => void)[] = [];
  #closed: Promise<void> | undefined;

  static async open(parts: StageDeps, offset: number): Promise<FileStageWriter> {
    const file = await parts.files.take(parts.stage, parts.path, offset);
    parts.hasher.cut(parts.stage, offset);
    parts.hasher.begun(parts.stage, offset);
    return new FileStageWriter(parts, file, offset);
  }

  private constructor(parts: StageDeps, file: FileHandle, offset: number) {
    this.#parts = parts;
    this.#file = file;
    this.#fresh = offset === 0 && parts.lasting;
    this.#issued = offset;
    this.#written = offset;
    this.#bypassedBelow = offset;
    parts.active.add(parts.stage);
  }

  get offset(): number {
    return this.#issued + this.#gatheredSize;
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#fault) throw this.#fault.error;
    if (chunk.byteLength === 0) return undefined;
    this.#gathered.push(chunk);
    this.#gatheredSize += chunk.byteLength;
    this.#pump();
    if (this.#hasRoom()) return undefined;
    return this.#until(() => this.#hasRoom());
  }

  /** Limits the unwritten bytes, so that total memory is independent of the number of uploads. */
  #hasRoom(): boolean {
    const patience = Math.max(least, Math.min(most, budget / this.#parts.active.size));
    return this.offset - this.#written < patience;
  }

  async sync(): Promise<number> {
    const goal = this.offset;
    await this.#until(() => this.#written >= goal);
    await this.#parts.disk.sync(this.#file).catch((error: unknown) => this.#fail(error));
    if (this.#fresh) {
      await this.#parts.disk.syncFolder(this.#parts.folder).catch((error: unknown) => this.#fail(error));
      this.#fresh = false;
    }
    return goal;
  }

  close(): Promise<void> {
    this.#closed ??= this.#finish();
    return this.#closed;
  }

  async #finish(): Promise<void> {
    const sound = !this.#fault;
    this.#parts.active.delete(this.#parts.stage);
    // Unsynced bytes were never acknowledged; only pending writes must end before the lock is released.
    this.#fault ??= { error: new Error('the stage was closed') };
    this.#gathered = [];
    this.#gatheredSize = 0;
    while (this.#writing > 0) await new Promise<void>((resolve) => this.#wake.push(resolve));
    if (sound) this.#parts.files.keep(this.#parts.stage, this.#file);
    else await this.#file.close();
  }

  /** Starts writes: at once if none is pending, else only for a full slot. */
  #pump(): void {
    while (!this.#fault && this.#gatheredSize > 0 && this.#writing < depth) {
      if (this.#writing > 0 && this.#gatheredSize < slotSize) return;
      const slot = this.#takeSlot();
      if (slot === 'wait') return;
      this.#issue(slot);
    }
  }

  #takeSlot(): SharedBlock | undefined | 'wait' {
    if (this.offset <= hashInlineLimit || !this.#parts.hashed) return undefined;
    if (this.#slotsHeld >= maxSlots) return this.#parts.paced ? 'wait' : undefined;
    return this.#parts.hasher.slots.take();
  }

  #issue(slot: SharedBlock | undefined): void {
    const offset = this.#issued;
    const chunks = this.#cut();
    const size = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
    this.#issued += size;
    this.#writing += 1;
    const { stage, path, hasher } = this.#parts;
    if (!slot) {
      this.#bypassedBelow = this.#issued;
      return this.#writeAll(chunks, offset, (error) => this.#landed(error, offset, size));
    }
    let at = 0;
    for (const chunk of chunks) {
      slot.bytes.set(chunk, at);
      at += chunk.byteLength;
    }
    this.#slotsHeld += 1;
    slot.onFree(() => {
      this.#slotsHeld -= 1;
      this.#pump();
    });
    hasher.slot(stage, path, { offset, size, slot, written: this.#written });
    this.#writeAll([slot.bytes.subarray(0, size)], offset, (error) => {
      slot.done();
      this.#landed(error, offset, size);
    });
  }

  /** Takes up to a slot's worth of the received bytes. */
  #cut(): Uint8Array[] {
    const taken: Uint8Array[] = [];
    let room = slotSize;
    while (room > 0 && this.#gathered.length > 0) {
      const chunk = this.#gathered[0]!;
      if (chunk.byteLength > room) {
        taken.push(chunk.subarray(0, room));
        this.#gathered[0] = chunk.subarray(room);
        room = 0;
      } else {
        taken.push(chunk);
        this.#gathered.shift();
        room -= chunk.byteLength;
      }
    }
    this.#gatheredSize -= slotSize - room;
    return taken;
  }

  /** Callbacks, because a promise and a FileHandle call for each piece cost as much as the write. */
  #writeAll(chunks: readonly Uint8Array[], offset: number, done: (error: unknown) => void): void {
    const size = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
    const after = (error: Error | null, wrote: number): void => {
      if (error) return done(error);
      if (wrote === size) return done(undefined);
      if (wrote === 0) return done(new Error('the disk wrote no bytes'));
      this.#writeAll(skip(chunks, wrote), offset + wrote, done);
    };
    if (chunks.length === 1) write(this.#file.fd, chunks[0]!, 0, size, offset, after);
    else writev(this.#file.fd, chunks, offset, after);
  }

  #landed(error: unknown, offset: number, size: number): void {
    this.#writing -= 1;
    if (error) this.#fault ??= { error: asRefusal(error) };
    else this.#ends.set(offset, offset + size);
    const before = this.#written;
    for (let end = this.#ends.get(this.#written); end !== undefined; end = this.#ends.get(this.#written)) {
      this.#ends.delete(this.#written);
      this.#written = end;
    }
    const { stage, path, hasher } = this.#parts;
    if (before < this.#bypassedBelow && this.#parts.hashed) hasher.grown(stage, path, this.#written);
    this.#pump();
    const woken = this.#wake;
    this.#wake = [];
    for (const wake of woken) wake();
  }

  async #until(reached: () => boolean): Promise<void> {
    for (;;) {
      if (this.#fault) throw this.#fault.error;
      if (reached()) return;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  #fail(error: unknown): never {
    this.#fault ??= { error };
    throw error;
  }
}

function skip(chunks: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  for (const chunk of chunks) {
    if (bytes >= chunk.byteLength) bytes -= chunk.byteLength;
    else {
      rest.push(bytes > 0 ? chunk.subarray(bytes) : chunk);
      bytes = 0;
    }
  }
  return rest;
}
