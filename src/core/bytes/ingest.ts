/** The only entry for bytes: limits, counts, verifies and writes a body of any protocol. */
import { sameDigest, type Algorithm, type Digest } from '../../kit/digest.ts';
import { newHash, type RunningHash } from '../../kit/hashing.ts';
import type { StageWriter } from '../engine.ts';
import { Refusal } from '../refusal.ts';

/** A request's body. A cut connection ends the iteration without an error. */
export interface Body extends AsyncIterable<Uint8Array> {
  /** Declared number of bytes, if any. */
  readonly length: number | undefined;
  /** Why the body is incomplete; undefined if it is complete. Set when the iteration ends. */
  readonly cut: Error | undefined;
  /** Ends the iteration after the bytes received so far. */
  stop(reason: Error): void;
}

/** A body of local bytes, which cannot be cut. */
export function wholeBody(bytes: AsyncIterable<Uint8Array>, length: number): Body {
  return { length, cut: undefined, stop: () => undefined, [Symbol.asyncIterator]: () => bytes[Symbol.asyncIterator]() };
}

export interface Bounds {
  /** Maximum number of bytes. */
  readonly room: number;
  /** Declared digests; empty for none. */
  readonly digests: readonly Digest[];
  /** Digests to compute. */
  readonly measure?: readonly Algorithm[] | undefined;
  /** Aborted when another request wants the upload. */
  readonly asked?: AbortSignal;
  /** Makes the received bytes durable; called periodically during a long body. */
  readonly checkpoint?: () => Promise<void>;
}

/** Bytes between checkpoints: enough to make a sync cheap, few enough to keep the last one short. */
const stride = 32 * 1024 * 1024;

/** The reason for bodies no longer read. Created once: a stack trace costs more than a small append. */
const unread = new Refusal('interrupted', 'the server stopped reading the body');

export interface Written {
  /** Bytes passed to the writer. */
  readonly written: number;
  /** Why the body is incomplete, if it is. */
  readonly cut: Error | undefined;
  /** The computed digests of a complete body. */
  readonly measured: readonly Digest[];
}

/**
 * Writes a body to a stage.
 *
 * @throws Refusal `too_large` if the body exceeds `room`; `digest_mismatch` if a complete body has another digest. The
 *   caller decides what happens to the written bytes.
 */
export async function writeBody(body: Body, writer: StageWriter, bounds: Bounds): Promise<Written> {
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
 * Reads a small body into memory.
 *
 * @throws Refusal as `writeBody` does; `interrupted` if it is incomplete
 */
export async function readBody(
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
  const { cut, measured } = await writeBody(body, writer, { room, digests: [], measure });
  if (cut) throw brokenOff(cut, 0);
  return { bytes: Buffer.concat(chunks), measured };
}

/** A complete body that is not published yet: `keep` publishes it, `drop` discards it. */
export class Received<Facts, Kept> {
  /** The computed digests. */
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

  /** Must always be called at the end; it does not affect what was kept. */
  async drop(): Promise<void> {
    await this.#drop?.();
    this.#drop = undefined;
  }
}

/** Runs `decide`, then drops the received body unless it was kept. */
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

/** @throws Refusal `digest_mismatch` unless `hash` has the expected digest */
export function demandDigest(expected: Digest, hash: RunningHash): void {
  if (!sameDigest(expected, { algorithm: expected.algorithm, hex: hash.digest('hex') })) {
    throw new Refusal('digest_mismatch', `the received bytes do not have the ${expected.algorithm} of the request`);
  }
}

/** The refusal for an incomplete body, with the current offset. */
export function brokenOff(cut: Error, offset: number): Refusal {
  if (cut instanceof Refusal) return new Refusal(cut.reason, cut.message, { ...cut.details, offset }, cut);
  return new Refusal('interrupted', 'the connection closed before the end of the body', { offset }, cut);
}

/** Runs a checkpoint each stride, one at a time, while writing continues. The next pass throws a failure. */
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
