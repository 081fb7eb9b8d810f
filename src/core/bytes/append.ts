import type { Clock } from '../../kit/clock.ts';
import type { Digest } from '../../kit/digest.ts';
import { newHash } from '../../kit/hashing.ts';
import type { Engine, StageWriter } from '../engine.ts';
import { demandDigest } from './ingest.ts';
import type { Upload } from '../../catalog/model.ts';
import { Refusal } from '../refusal.ts';

/** One append in progress. Bytes are made durable first and recorded second. */
export class Append {
  /** The upload when the append began. */
  readonly upload: Upload;
  readonly writer: StageWriter;
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #length: number | null;
  readonly #blind: boolean;
  /** The upload as last recorded. */
  #recorded: Upload;
  /** Set if recording failed, so that it is unknown whether the record was made. */
  #inDoubt = false;

  /** Opens the upload's stage at its end. Only `blind` appends, which name no offset, can be repeated by accident. */
  static async open(
    engine: Engine,
    clock: Clock,
    upload: Upload,
    facts: { length: number | null; blind: boolean; hashed: boolean },
  ): Promise<Append> {
    return new Append(
      engine,
      clock,
      upload,
      facts,
      await engine.bytes.open(upload.id, upload.offset, { hashed: facts.hashed }),
    );
  }

  private constructor(
    engine: Engine,
    clock: Clock,
    upload: Upload,
    facts: { length: number | null; blind: boolean },
    writer: StageWriter,
  ) {
    this.#engine = engine;
    this.#clock = clock;
    this.#length = facts.length;
    this.#blind = facts.blind;
    this.#recorded = upload;
    this.upload = upload;
    this.writer = writer;
  }

  /** The upload as recorded; the bytes up to its offset are durable. */
  get recorded(): Upload {
    return this.#recorded;
  }

  /**
   * Whether unrecorded bytes must be rolled back. Bytes in doubt stay: if the record was made after all, they are
   * needed, and otherwise the next append or start removes them.
   */
  get pending(): boolean {
    return !this.#inDoubt && this.writer.offset > this.#recorded.offset;
  }

  /** Makes the received bytes durable, and with `keep` records them. */
  async checkpoint(keep: boolean): Promise<void> {
    const durable = await this.writer.sync();
    if (keep) await this.#record(durable);
  }

  /** Makes all written bytes durable and records them. */
  async commit(): Promise<void> {
    await this.#record(this.pending ? await this.writer.sync() : this.#recorded.offset);
  }

  /**
   * Checks the written bytes against digests from trailers; the only case in which bytes are read again.
   *
   * @throws Refusal `digest_mismatch`
   */
  async verify(written: number, expected: readonly Digest[]): Promise<void> {
    if (expected.length === 0) return;
    await this.writer.sync();
    const hashes = await Promise.all(
      expected.map(async (digest) => ({ digest, hash: await newHash(digest.algorithm) })),
    );
    for await (const chunk of this.#peek(this.upload.offset, this.upload.offset + written)) {
      for (const { hash } of hashes) hash.update(chunk);
    }
    for (const { digest, hash } of hashes) demandDigest(digest, hash);
  }

  /**
   * Whether the written bytes repeat the previous append. Only called if that append's response may be lost, because
   * equal neighbouring chunks are normal.
   */
  async repeats(written: number): Promise<boolean> {
    const { lastStart: from, offset } = this.upload;
    if (from === null || written === 0 || written !== offset - from) return false;
    await this.writer.sync();
    return same(this.#peek(from, offset), this.#peek(offset, offset + written));
  }

  /** Rolls back unrecorded bytes. */
  async undo(): Promise<void> {
    await this.writer.close();
    await this.#engine.bytes.cut(this.upload.id, this.#recorded.offset);
  }

  close(): Promise<void> {
    return this.writer.close();
  }

  #peek(from: number, to: number): AsyncIterable<Uint8Array> {
    return this.#engine.bytes.peek(this.upload.id, from, to);
  }

  async #record(to: number): Promise<void> {
    const declares = this.#length !== this.upload.length;
    if (to === this.#recorded.offset && !declares) return;
    const lastStart = this.#blind ? this.upload.offset : null;
    const move = { from: this.#recorded.offset, to, lastStart, length: this.#length, at: this.#clock.now() };
    const recorded = await this.#engine.catalog.uploads.advance(this.upload.id, move).catch((error: unknown) => {
      this.#inDoubt = !(error instanceof Refusal) || error.reason === 'unavailable';
      throw error;
    });
    if (!recorded) throw new Refusal('conflict', 'the upload changed during this append');
    this.#recorded = recorded;
  }
}

/** Compares two streams, whatever their chunks. */
async function same(one: AsyncIterable<Uint8Array>, other: AsyncIterable<Uint8Array>): Promise<boolean> {
  const right = other[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array(0);
  try {
    for await (let left of one) {
      while (left.byteLength > 0) {
        if (rest.byteLength === 0) {
          const next = await right.next();
          if (next.done) return false;
          rest = next.value;
          continue;
        }
        const size = Math.min(left.byteLength, rest.byteLength);
        if (Buffer.compare(left.subarray(0, size), rest.subarray(0, size)) !== 0) return false;
        left = left.subarray(size);
        rest = rest.subarray(size);
      }
    }
    return rest.byteLength === 0 && ((await right.next()).done ?? false);
  } finally {
    await right.return?.();
  }
}
