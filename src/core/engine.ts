/**
 * The engine ports: catalog, byte store and locks, which belong together.
 *
 * Every method of the catalog is atomic and durable when its promise resolves; no transaction stays open across calls.
 * Where callers can race, a method compares and sets, and returns the outcome. Nothing here assumes that a single
 * process uses the engine.
 */
import type { Algorithm, Digest } from '../kit/digest.ts';
import type { Catalog } from '../catalog/index.ts';

export type { Catalog };
export type * from '../catalog/facts.ts';
export type * from '../catalog/releases/facts.ts';

/** Algorithms that a blob can be verified with while it is read. */
export type CheckAlgorithm = Extract<Algorithm, 'sha512' | 'crc32'>;

export interface Engine {
  readonly catalog: Catalog;
  readonly bytes: ByteStore;
  readonly locks: Locks;
  /** Bodies up to this many bytes can be published inline, without a stage. */
  readonly inlineLimit: number;
  /** Whether the engine can still make data durable; if not, why. */
  readonly health: () => Health;
  /** Whether no other process uses the engine, so that no one continues unfinished work found at startup. */
  readonly alone?: boolean;
  /** Unrecorded bytes older than this may belong to lost records; the sweep keeps them. */
  readonly sparedUntil?: number | undefined;
  close(): Promise<void>;
}

export type Health = { readonly writable: true } | { readonly writable: false; readonly why: string };

// ---------------------------------------------------------------- bytes

/**
 * Stores bytes. A stage is named by its upload's id and grows. A blob is immutable, under an address that the store
 * chose when it sealed the stage. Directory entries must be as durable as the bytes.
 */
export interface ByteStore {
  /**
   * Opens a stage for appending at `offset`; creates it if offset is 0. Bytes after `offset` were never acknowledged
   * and are removed. There is one writer at a time: the caller holds the upload's lock.
   *
   * The writer of a joined stage throws Refusal `conflict`.
   *
   * @throws Refusal `lost` if the stage is shorter than `offset`
   */
  open(stage: string, offset: number, manner?: StageOptions): Promise<StageWriter>;
  /**
   * Joins the first bytes of other stages, in order, durably and without a copy. The parts stay, and later changes of
   * them have no effect. Joining again reuses the leading parts that are the same.
   *
   * @throws Refusal `lost` if a part is shorter than its `size`
   */
  join(stage: string, parts: readonly { readonly stage: string; readonly size: number }[]): Promise<void>;
  /** Bytes in the stage, acknowledged or not; undefined if it does not exist. */
  size(stage: string): Promise<number | undefined>;
  /** Bytes `from` up to `to` (exclusive) of a stage. */
  peek(stage: string, from: number, to: number): AsyncIterable<Uint8Array>;
  /** Truncates a stage to `size`, durably; a shorter stage is left unchanged. */
  cut(stage: string, size: number): Promise<void>;
  /**
   * Digest of the first `size` bytes of a stage. sha512 is computed during the appends; any other algorithm reads the
   * bytes again.
   */
  digest(stage: string, size: number, algorithm: Algorithm): Promise<Digest>;
  /**
   * Makes the first `size` bytes, the whole stage, a blob and returns its address. The stage stays until dropped, but
   * with `moves` a joined stage may be moved.
   */
  seal(stage: string, size: number, sha512: string, moves?: boolean): Promise<string>;
  /** Undoes an unrecorded seal: restores the stage and removes the blob. */
  unseal(stage: string, address: string): Promise<void>;
  /** Removes a stage; a missing one is ignored. */
  drop(stage: string): Promise<void>;

  /** @throws Refusal `lost` if the blob is missing */
  read(address: string): Promise<BlobReader>;
  /** Size of a blob; undefined if it is missing. */
  stat(address: string): Promise<number | undefined>;
  /**
   * Digests of a blob, computed from disk off the event loop, reading at most `rate` bytes a second.
   *
   * @throws Refusal `lost` if it is missing; `unavailable` if it cannot be read now, which does not mean corruption
   */
  digests(address: string, algorithms: readonly Algorithm[], rate?: number, signal?: AbortSignal): Promise<Digest[]>;
  remove(address: string): Promise<void>;
  /** Moves a corrupt blob aside for inspection, where it is not served. */
  quarantine(address: string): Promise<void>;
  /** Restores a blob from quarantine if a copy there has that size and sha512. @returns whether it did */
  restore(content: { readonly address: string; readonly sha512: string; readonly size: number }): Promise<boolean>;
  /** A text that changes with any write, move or replacement; undefined if missing or changed too recently. */
  fingerprint(address: string): Promise<string | undefined>;
  /** Lists all stages and blobs, for recovery and the sweep. */
  list(): AsyncIterable<{
    readonly kind: 'stage' | 'blob';
    readonly name: string;
    readonly size: number;
    readonly modifiedAt: number;
  }>;
  /** Space on the disk in bytes. */
  space(): Promise<{ readonly free: number; readonly total: number }>;
}

export interface StageOptions {
  /** False if the stage's digest will not be needed. */
  readonly hashed?: boolean;
  /** False if the stage need not survive a crash before it is sealed. */
  readonly lasting?: boolean;
}

export interface StageWriter {
  /** Bytes accepted so far, from the start of the stage. */
  readonly offset: number;
  /** Accepts bytes, which the caller must not change afterwards. Waits if too many are unwritten. */
  write(chunk: Uint8Array): Promise<void> | undefined;
  /** Makes everything accepted durable. @returns the durable offset. May run concurrently with writes */
  sync(): Promise<number>;
  /** Ends writing. Unsynced bytes may or may not be kept. */
  close(): Promise<void>;
}

/** Reads a blob. A blob that is removed while a reader is open remains readable. */
export interface BlobReader {
  readonly size: number;
  /** Bytes `from` up to `to` (exclusive). @throws Refusal `lost` if there are fewer; errors of the disk */
  read(from: number, to: number): AsyncIterable<Uint8Array>;
  /**
   * All bytes, hashed off the event loop. The last bytes are held back until `judge` accepts the digests, in the order
   * of `algorithms`; if it throws, they are never returned.
   */
  whole(
    algorithms: readonly CheckAlgorithm[],
    judge: (digests: readonly Digest[]) => Promise<void>,
  ): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

// ---------------------------------------------------------------- locks

/** Exclusive locks by key. The holder is asked to yield at once, so that no request waits behind a dead one. */
export interface Locks {
  /**
   * Takes `key` and asks the holder to yield. Requests are served in order; each holder is asked in turn.
   *
   * @throws Refusal `unavailable` if the holder did not yield in time
   */
  take(key: string): Promise<Hold>;
  /** Takes `key` if it is free and no request waits; asks no one. */
  tryTake(key: string): Promise<Hold | undefined>;
  held(key: string): boolean;
}

export interface Hold {
  /** Aborted when another request wants the lock: finish the current write, then release. */
  readonly asked: AbortSignal;
  release(): void;
}
