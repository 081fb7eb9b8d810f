/** Messages between the event loop and a hash worker; those of one stage or check are processed in order. */
import type { CheckAlgorithm } from '../../../core/engine.ts';

export const slotSize = 1024 * 1024;

export interface WorkerSetup {
  /** Slots of `slotSize` bytes, each written to the file and hashed from the same memory. */
  readonly slots: SharedArrayBuffer;
  /** Whether the thread runs at a lower priority. */
  readonly gentle: boolean;
}

export type ToWorker =
  /** A slot holds the stage's bytes from `offset`; bytes below `written` are also in the file. */
  | {
      readonly kind: 'slot';
      readonly stage: string;
      readonly path: string;
      readonly offset: number;
      readonly size: number;
      readonly slot: number;
      readonly written: number;
    }
  /** The file holds the stage's bytes below `size`. */
  | { readonly kind: 'grown'; readonly stage: string; readonly path: string; readonly size: number }
  /** An append begins at `offset` and may be rolled back to it. */
  | { readonly kind: 'begun'; readonly stage: string; readonly offset: number }
  /** The stage was truncated to `size`. */
  | { readonly kind: 'cut'; readonly stage: string; readonly size: number }
  | {
      readonly kind: 'digest';
      readonly stage: string;
      readonly path: string;
      readonly size: number;
      readonly ticket: number;
    }
  | { readonly kind: 'forget'; readonly stage: string }
  /** Begins a check: the blocks of a blob that is being sent, in order. */
  | { readonly kind: 'check'; readonly check: number; readonly algorithms: readonly CheckAlgorithm[] }
  /** The block's memory is transferred to the worker and returned with the answer. */
  | { readonly kind: 'block'; readonly check: number; readonly ticket: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'sum'; readonly check: number; readonly ticket: number }
  | { readonly kind: 'checked'; readonly check: number };

/** Sent besides answers: the slot is hashed and may be reused. */
export interface FreeSlot {
  readonly slot: number;
}
