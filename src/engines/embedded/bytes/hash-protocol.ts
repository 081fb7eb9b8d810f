/** What the event loop and a hash worker say to each other. Messages about one stage, or one check, are obeyed in order. */
import type { CheckAlgorithm } from '../../../core/engine.ts';

export const slotSize = 1024 * 1024;

export interface WorkerSetup {
  /** Slots of `slotSize` bytes each: written to the file and hashed from the same memory. */
  readonly slots: SharedArrayBuffer;
  /** Whether others go first where the processor is short. */
  readonly gentle: boolean;
}

export type ToWorker =
  /** Bytes of the stage from `offset` lie in a slot; below `written` the file has them too. */
  | {
      readonly kind: 'slot';
      readonly stage: string;
      readonly path: string;
      readonly offset: number;
      readonly size: number;
      readonly slot: number;
      readonly written: number;
    }
  /** The file has the stage's bytes below `size`. */
  | { readonly kind: 'grown'; readonly stage: string; readonly path: string; readonly size: number }
  /** An append begins at `offset`: it may be taken back to there. */
  | { readonly kind: 'begun'; readonly stage: string; readonly offset: number }
  /** The stage was cut to `size`. */
  | { readonly kind: 'cut'; readonly stage: string; readonly size: number }
  | {
      readonly kind: 'digest';
      readonly stage: string;
      readonly path: string;
      readonly size: number;
      readonly ticket: number;
    }
  | { readonly kind: 'forget'; readonly stage: string }
  /** Begins a check: blocks of a blob that is sent, hashed in their order. */
  | { readonly kind: 'check'; readonly check: number; readonly algorithms: readonly CheckAlgorithm[] }
  /** The memory of the block is handed over, and comes back. */
  | { readonly kind: 'block'; readonly check: number; readonly ticket: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'sum'; readonly check: number; readonly ticket: number }
  | { readonly kind: 'checked'; readonly check: number };

/** What is told beside answers: the slot may be filled again, as far as hashing goes. */
export interface FreeSlot {
  readonly slot: number;
}
