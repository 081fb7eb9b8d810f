/** The one gate for bytes: bounds, counts, checks and writes a body, whatever protocol brought it. */
import { sameDigest, type Algorithm, type Digest } from '../../kit/digest.ts';
import { newHash, type RunningHash } from '../../kit/hashing.ts';
import type { StageWriter } from '../engine.ts';
import { Refusal } from '../refusal.ts';

/** A request's body. A cut connection ends the iteration quietly; why is kept aside. */
export interface Body extends AsyncIterable<Uint8Array> {
  /** How many bytes were announced, if that was said. */
  readonly length: number | undefined;
  /** Why the body ended before it was whole; undefined when it was whole. Known once the iteration has ended. */
  readonly cut: Error | undefined;
  /** Ends the iteration after what has arrived so far. */
  stop(reason: Error): void;
}

/** A body of bytes at hand, which cannot be cut. */
export function wholeBody(bytes: AsyncIterable<Uint8Array>, length: number): Body {
  return { length, cut: undefined, stop: () => undefined, [Symbol.asyncIterator]: () => bytes[Symbol.asyncIterator]() };
}

export interface Bounds {
  /** The body may bring this many bytes and no more. */
  readonly room: number;
  /** What the caller says the body is; empty when nothing was said. */
  readonly digests: readonly Digest[];
  /** Digests of it that the caller wants to know. */
  readonly measure?: readonly Algorithm[] | undefined;
  /** Aborted when somebody else wants the upload. */
  readonly asked?: AbortSignal;
  /** Makes what has arrived so far durable; called now and then while a long body arrives. */
  readonly checkpoint?: () => Promise<void>;
}

/** Bytes between checkpoints: enough that a sync is cheap beside them, few enough that the last one is short. */
const stride = 32 * 1024 * 1024;

/** Why a body that the gate is done with brings nothing more. Made once: a stack for each append would cost more than a small append. */
const unread = new Refusal('interrupted', 'the server stopped reading the body');

export interface Poured {
  /** Bytes handed to the writer. */
  readonly written: number;
  /** Why the body was not whole, if it was not. */
  readonly cut: Error | undefined;
  /** What was to be measured, of a body that was whole. */
  readonly measured: readonly Digest[];
}

/**
 * Pours a body into a stage.
 *
 * @throws Refusal `too_large` when the body brings more than there is room for; `digest_mismatch` when it was whole
 *   and is not what the caller said. The caller decides what becomes of the bytes written.
 */
export async function pour(body: Body, writer: StageWriter, bounds: Bounds): Promise<Poured> {
  const start = writer.offset;
  const hashes = await Promise.all(
    bounds.digests.map(async (expected) => ({ expected, hash: await newHash(expected.algorithm) })),
  );
  const meters = await Promise.all(
    (bounds.measure ?? []).map(async (algorithm) => ({ algorithm, hash: await newHash(algorithm) })),
  );
  const letGo = (): void => body.stop(new Refusal('superseded', 'a newer request took over this upload'));
  bounds.asked?.addEventListener('abort', letGo, { once: true });
  if (bounds.asked?.aborted) letGo();
  const checkpoints = new Checkpoints(bounds.checkpoint ?? (() => Promise.resolve()));
  try {
    for await (const chunk of body) {
      if (writer.offset - start + chunk.byteLength > bounds.room) {
        throw new Refusal('too_large', 'the body is longer than the rest of the upload', { room: bounds.room });
      }
      for (const { hash } of hashes) hash.update(chunk);
      for (const { hash } of meters) hash.update(chunk);
      const wait = writer.write(chunk);
      if (wait) await wait;
      checkpoints.pass(writer.offset);
    }
    await checkpoints.settle();
  } finally {
    bounds.asked?.removeEventListener('abort', letGo);
    body.stop(unread);
    await checkpoints.settle().catch(() => undefined);
  }
  if (!body.cut) for (const { expected, hash } of hashes) demandDigest(expected, hash);
  const measured = body.cut ? [] : meters.map(({ algorithm, hash }) => ({ algorithm, hex: hash.digest('hex') }));
  return { written: writer.offset - start, cut: body.cut, measured };
}

/**
 * Takes a small body into memory, whole or not at all.
 *
 * @throws Refusal as `pour` does; `interrupted` when it broke off.
 */
export async function gather(
  body: Body,
  room: number,
  measure: readonly Algorithm[],
): Promise<{ bytes: Buffer; measured: readonly Digest[] }> {
  const chunks: Uint8Array[] = [];
  let offset = 0;
  const writer: StageWriter = {
    get offset() {
      return offset;
    },
    write: (chunk) => {
      chunks.push(chunk);
      offset += chunk.byteLength;
      return undefined;
    },
    sync: async () => offset,
    close: async () => undefined,
  };
  const { cut, measured } = await pour(body, writer, { room, digests: [], measure });
  if (cut) throw brokenOff(cut, 0);
  return { bytes: Buffer.concat(chunks), measured };
}

/** Bytes that arrived whole and are nothing yet: they become what `keep` makes of them, or go with `drop`. */
export class Received<Facts, Kept> {
  /** What was to be measured. */
  readonly measured: readonly Digest[];
  readonly #keep: (facts: Facts) => Promise<Kept>;
  #drop: (() => Promise<void>) | undefined;

  constructor(measured: readonly Digest[], keep: (facts: Facts) => Promise<Kept>, drop: () => Promise<void>) {
    this.measured = measured;
    this.#keep = keep;
    this.#drop = drop;
  }

  async keep(facts: Facts): Promise<Kept> {
    const kept = await this.#keep(facts);
    this.#drop = undefined;
    return kept;
  }

  /** To be called in the end, whatever came of them: what was kept stays. */
  async drop(): Promise<void> {
    await this.#drop?.();
    this.#drop = undefined;
  }
}

/** Decides what becomes of bytes; where that fails, they go. */
export async function keeping<T>(
  received: Pick<Received<never, unknown>, 'drop'>,
  decide: () => Promise<T>,
): Promise<T> {
  try {
    return await decide();
  } finally {
    await received.drop();
  }
}

/** @throws Refusal `digest_mismatch` unless `hash` ends as expected. */
export function demandDigest(expected: Digest, hash: RunningHash): void {
  if (!sameDigest(expected, { algorithm: expected.algorithm, hex: hash.digest('hex') })) {
    throw new Refusal('digest_mismatch', `the received bytes do not have the ${expected.algorithm} of the request`);
  }
}

/** Why a body was not whole, in the core's terms, with the offset that holds now. */
export function brokenOff(cut: Error, offset: number): Refusal {
  if (cut instanceof Refusal) return new Refusal(cut.reason, cut.message, { ...cut.details, offset }, cut);
  return new Refusal('interrupted', 'the connection closed before the end of the body', { offset }, cut);
}

/** Starts a checkpoint each stride, one at a time, beside the writing; a failed one surfaces at the next pass. */
class Checkpoints {
  readonly #make: () => Promise<void>;
  #next: number | undefined;
  #running: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(make: () => Promise<void>) {
    this.#make = make;
  }

  pass(offset: number): void {
    if (this.#failure) throw this.#failure.error;
    this.#next ??= offset + stride;
    if (offset < this.#next || this.#running) return;
    this.#next = offset + stride;
    this.#running = this.#make().then(
      () => void (this.#running = undefined),
      (error: unknown) => {
        this.#failure = { error };
        this.#running = undefined;
      },
    );
  }

  async settle(): Promise<void> {
    await this.#running;
    if (this.#failure) throw this.#failure.error;
  }
}
