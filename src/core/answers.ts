import type { Catalog } from './engine.ts';
import type { Upload } from './model.ts';

/** Milliseconds in which marks gather before one commit takes them all: the window in which a crash forgets one. */
const gathering = 50;
/** Lost answers remembered at most; an older one is then taken from the record, which says the same after a crash. */
const memory = 10_000;

/** What became of the answers to appends: the record says `unanswered` from the commit on, until it is known better. */
export class Answers {
  readonly #catalog: Catalog;
  /** Offsets whose answer arrived, not yet on record. */
  readonly #arrived = new Map<string, number>();
  /** Offsets whose answer was sent and then seen to be lost. */
  readonly #lost = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> = Promise.resolve();

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  settle(upload: string, offset: number, answered: boolean): void {
    if (!answered) {
      this.#arrived.delete(upload);
      if (this.#lost.size >= memory) this.#lost.delete(this.#lost.keys().next().value!);
      this.#lost.set(upload, offset);
      return;
    }
    this.#lost.delete(upload);
    this.#arrived.set(upload, offset);
    this.#timer ??= setTimeout(() => this.#flush(), gathering).unref();
  }

  /** Whether the answer to the upload's newest append is known to have arrived. */
  arrived(upload: Upload): boolean {
    if (this.#lost.get(upload.id) === upload.offset) return false;
    return upload.lastAnswered || this.#arrived.get(upload.id) === upload.offset;
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#flush();
    await this.#flushing;
  }

  #flush(): void {
    this.#timer = undefined;
    const marks = [...this.#arrived];
    if (marks.length === 0) return;
    // A mark that cannot be written is only a hint lost: the bytes are compared before anything is taken for a replay.
    this.#flushing = this.#catalog.uploads.answered(marks).then(
      () => this.#forget(marks),
      () => this.#forget(marks),
    );
  }

  #forget(marks: readonly (readonly [string, number])[]): void {
    for (const [upload, offset] of marks) if (this.#arrived.get(upload) === offset) this.#arrived.delete(upload);
  }
}
