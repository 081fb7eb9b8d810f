import { slotSize } from './hash-protocol.ts';

/** Number of slots: 24 MiB for all uploads together. */
const count = 24;

/** Slots of shared memory, each written to a file and hashed at the same time. */
export class SharedBlocks {
  readonly memory = new SharedArrayBuffer(count * slotSize);
  readonly #free: SharedBlock[] = [];

  constructor() {
    for (let index = count - 1; index >= 0; index -= 1)
      this.#free.push(new SharedBlock(this.memory, index, (slot) => this.#free.push(slot)));
  }

  /** Takes a slot with one use; undefined if all are taken, and then bytes are written without a slot. */
  take(): SharedBlock | undefined {
    const slot = this.#free.pop();
    slot?.use();
    return slot;
  }
}

/** A slot. It is free when all its uses are done. */
export class SharedBlock {
  readonly index: number;
  readonly bytes: Buffer;
  readonly #release: (slot: SharedBlock) => void;
  #uses = 0;
  #onFree: (() => void) | undefined;

  constructor(memory: SharedArrayBuffer, index: number, release: (slot: SharedBlock) => void) {
    this.index = index;
    this.bytes = Buffer.from(memory, index * slotSize, slotSize);
    this.#release = release;
  }

  use(): void {
    this.#uses += 1;
  }

  done(): void {
    this.#uses -= 1;
    if (this.#uses > 0) return;
    this.#release(this);
    const onFree = this.#onFree;
    this.#onFree = undefined;
    onFree?.();
  }

  /** Sets a callback for when the slot becomes free; called once. */
  onFree(told: () => void): void {
    this.#onFree = told;
  }
}
