/**
 * THE PORTS. An engine is a catalog (facts), a byte store (bytes) and locks that belong together.
 *
 * Every method of the catalog is one atomic fact: it happens whole or not at all, it is durable when its promise
 * resolves, and no transaction stays open across the port. Where two callers could race, the method compares and
 * sets, and says so in what it returns. Nothing here assumes that only one process uses the engine.
 */
import type { Algorithm, Digest } from '../kit/digest.ts';
import type { Catalog } from '../catalog/index.ts';

export type { Catalog };
export type * from '../catalog/facts.ts';
export type * from '../catalog/releases/facts.ts';

/** What a blob can be checked by while it is read. */
export type CheckAlgorithm = Extract<Algorithm, 'sha512' | 'crc32'>;

export interface Engine {
  readonly catalog: Catalog;
  readonly bytes: ByteStore;
  readonly locks: Locks;
  /** Bodies of at most so many bytes may be published as they are, without a stage. */
  readonly inlineLimit: number;
  /** Whether the engine can still promise that what it acknowledges is on disk; the reason when it cannot. */
  readonly health: () => Health;
  /** Whether no other process uses it: what is left half done when it is opened, nobody works on. */
  readonly alone?: boolean;
  /** Bytes from before this time may be of records that were lost: no sweep touches those that no record names. */
  readonly sparedUntil?: number | undefined;
  close(): Promise<void>;
}

export type Health = { readonly writable: true } | { readonly writable: false; readonly why: string };

// ---------------------------------------------------------------- bytes

/**
 * Where bytes lie. A stage is named by its upload's id and grows; a blob is named by an address that the store
 * chose when it sealed the stage, and never changes. The engine must make every directory entry that it relies
 * on as durable as the bytes.
 */
export interface ByteStore {
  /**
   * Opens a stage to append at `offset`, creating it when offset is 0. Bytes beyond `offset` were never
   * acknowledged and are cut off. One writer at a time: the caller holds the upload's lock.
   *
   * A stage that was joined of others takes no more: its writer throws Refusal `conflict`.
   *
   * @throws Refusal `lost` when the stage is shorter than `offset`.
   */
  open(stage: string, offset: number, manner?: StageManner): Promise<StageWriter>;
  /**
   * Makes a stage of the first bytes of others, in order; durable, and no byte is moved. The others stay, and what becomes of them does
   * not touch the whole. Joined again, with more of them or with others, it keeps what it has of the same ones.
   *
   * @throws Refusal `lost` when one of them is shorter than its `size`.
   */
  join(stage: string, parts: readonly { readonly stage: string; readonly size: number }[]): Promise<void>;
  /** Bytes in the stage, acknowledged or not; undefined when there is no such stage. */
  size(stage: string): Promise<number | undefined>;
  /** Bytes `from` up to `to` of a stage. */
  peek(stage: string, from: number, to: number): AsyncIterable<Uint8Array>;
  /** Cuts a stage to `size`, durably; a stage that is already as short stays as it is. */
  cut(stage: string, size: number): Promise<void>;
  /**
   * Digest of the first `size` bytes of a stage. sha512 is computed along with the appends, so it is soon there;
   * any other algorithm reads the bytes again.
   */
  digest(stage: string, size: number, algorithm: Algorithm): Promise<Digest>;
  /**
   * Gives the first `size` bytes, which must be the whole stage, a durable place of their own. The stage stays until dropped; where
   * `moves` says so, a joined one may go there itself.
   */
  seal(stage: string, size: number, sha512: string, moves?: boolean): Promise<string>;
  /** Undoes a seal that no record names: the stage is as it was, and nothing lies at the address. */
  unseal(stage: string, address: string): Promise<void>;
  /** Removes a stage; one that is not there is no fault. */
  drop(stage: string): Promise<void>;

  /** @throws Refusal `lost` when nothing lies there. */
  read(address: string): Promise<BlobReader>;
  /** Size of what lies there; undefined when nothing does. */
  stat(address: string): Promise<number | undefined>;
  /**
   * Digests of what lies there, computed from the disk away from the event loop, at most `rate` bytes a second.
   *
   * @throws Refusal `lost` when nothing is there; `unavailable` when it cannot be read now, which says nothing of the bytes.
   */
  digests(address: string, algorithms: readonly Algorithm[], rate?: number, signal?: AbortSignal): Promise<Digest[]>;
  remove(address: string): Promise<void>;
  /** Puts rotten bytes aside, where no one is served from and a person can look. */
  quarantine(address: string): Promise<void>;
  /** Puts bytes back to their address from where `quarantine` put them, if some there have that size and sha512; whether it did. */
  restore(content: { readonly address: string; readonly sha512: string; readonly size: number }): Promise<boolean>;
  /** Text that differs once a file of the bytes was written, moved or replaced; undefined when there is none or it was too short a while ago to tell. */
  fingerprint(address: string): Promise<string | undefined>;
  /** Everything that lies in the store, for recovery and the sweep. */
  list(): AsyncIterable<{
    readonly kind: 'stage' | 'blob';
    readonly name: string;
    readonly size: number;
    readonly modifiedAt: number;
  }>;
  /** Room on the disk. */
  space(): Promise<{ readonly free: number; readonly total: number }>;
}

export interface StageManner {
  /** False where nobody is expected to ask for the stage's digest. */
  readonly hashed?: boolean;
  /** False where nobody is told of the stage before it is sealed, so that only what it becomes must last. */
  readonly lasting?: boolean;
}

export interface StageWriter {
  /** Bytes accepted so far, counted from the stage's start. */
  readonly offset: number;
  /** Accepts bytes, which the caller must not touch afterwards. Waits when too much is on its way to the disk. */
  write(chunk: Uint8Array): Promise<void> | undefined;
  /** Makes everything accepted durable; answers the offset up to which that holds. May run beside writes. */
  sync(): Promise<number>;
  /** Ends writing. What was not synced may or may not be there. */
  close(): Promise<void>;
}

/** Reads a blob. One that is removed while a reader is open stays readable to its end. */
export interface BlobReader {
  readonly size: number;
  /** Bytes `from` up to `to`. @throws Refusal `lost` when there are fewer; what the disk throws when it cannot read them. */
  read(from: number, to: number): AsyncIterable<Uint8Array>;
  /**
   * All bytes, hashed on the way and away from the event loop. The last of them are held back until `judge` resolves on their digests,
   * which are in the order of `algorithms`; where it throws, nobody sees the end.
   */
  whole(
    algorithms: readonly CheckAlgorithm[],
    judge: (digests: readonly Digest[]) => Promise<void>,
  ): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

// ---------------------------------------------------------------- locks

/** At most one holder a key. A newcomer never waits politely behind a dead one: the holder is asked to let go at once. */
export interface Locks {
  /**
   * Takes `key`, asking whoever holds it to let go. Newcomers are served in order; each is asked in turn.
   *
   * @throws Refusal `unavailable` when the holder did not let go in time.
   */
  take(key: string): Promise<Hold>;
  /** Takes `key` if nobody holds it or waits for it; asks nobody. */
  tryTake(key: string): Promise<Hold | undefined>;
  held(key: string): boolean;
}

export interface Hold {
  /** Aborted when somebody else wants the key: finish the write in hand, then release. */
  readonly asked: AbortSignal;
  release(): void;
}
