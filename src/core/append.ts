import type { Clock } from '../kit/clock.ts';
import type { Engine, StageWriter } from './engine.ts';
import type { Upload } from './model.ts';
import { Refusal } from './refusal.ts';

/** One append under way: where it began, and how much of it is safe. Bytes first, then the record of them. */
export class Append {
  readonly upload: Upload;
  readonly writer: StageWriter;
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #length: number | null;
  readonly #blind: boolean;
  #safe: number;

  /** Opens the upload's stage where the upload ends. `blind` appends, and only those, can be repeated by accident. */
  static async open(engine: Engine, clock: Clock, upload: Upload, facts: { length: number | null; blind: boolean; hashed: boolean }): Promise<Append> {
    return new Append(engine, clock, upload, facts, await engine.bytes.open(upload.id, upload.offset, facts.hashed));
  }

  private constructor(engine: Engine, clock: Clock, upload: Upload, facts: { length: number | null; blind: boolean }, writer: StageWriter) {
    this.#engine = engine;
    this.#clock = clock;
    this.#length = facts.length;
    this.#blind = facts.blind;
    this.#safe = upload.offset;
    this.upload = upload;
    this.writer = writer;
  }

  /** Bytes of the whole upload that are on disk and on record. */
  get offset(): number {
    return this.#safe;
  }

  /** Whether bytes were written that are not on record. */
  get pending(): boolean {
    return this.writer.offset > this.#safe;
  }

  /** Makes what has arrived durable, and with `keep` puts it on record. */
  async checkpoint(keep: boolean): Promise<void> {
    const durable = await this.writer.sync();
    if (keep) await this.#record(durable);
  }

  /** Makes all that was written durable and puts it on record. */
  async commit(): Promise<void> {
    await this.#record(this.pending ? await this.writer.sync() : this.#safe);
  }

  /** Takes back what is not on record. */
  async undo(): Promise<void> {
    await this.writer.close();
    await this.#engine.bytes.cut(this.upload.id, this.#safe);
  }

  close(): Promise<void> {
    return this.writer.close();
  }

  async #record(to: number): Promise<void> {
    const declares = this.#length !== this.upload.length;
    if (to === this.#safe && !declares) return;
    const lastStart = this.#blind ? this.upload.offset : null;
    const move = { from: this.#safe, to, lastStart, length: this.#length, at: this.#clock.now() };
    if (!(await this.#engine.catalog.uploads.advance(this.upload.id, move))) {
      throw new Refusal('conflict', 'the upload changed while this append ran');
    }
    this.#safe = to;
  }
}
