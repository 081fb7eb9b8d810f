import { LRUCache } from 'lru-cache';
import { DelayedWrite } from '../../kit/batched-writes.ts';
import type { Catalog } from '../engine.ts';
import type { Upload } from '../../catalog/model.ts';

/** Milliseconds in which marks gather before one commit takes them all: the window in which a crash forgets one. */
const gathering = 50;
/** Uploads remembered at most; of an older one the record is believed, which by then says the same. */
const memory = 10_000;

/** What became of the answers to appends: the record says `unanswered` from the commit on, until it is known better. */
export class DeliveryMarks {
  readonly #uploads: Pick<Catalog['uploads'], 'answered'>;
  /** Offsets whose answer arrived. Kept after they went on record, since an append under way may have read the record before. */
  readonly #arrived = new LRUCache<string, number>({ max: memory });
  /** Uploads whose newest mark is not yet on record. */
  readonly #unwritten = new Set<string>();
  /** Offsets whose answer was sent and then seen to be lost. */
  readonly #lost = new LRUCache<string, number>({ max: memory });
  readonly #delayed = new DelayedWrite(() => this.#flush(), gathering);

  constructor(uploads: Pick<Catalog['uploads'], 'answered'>) {
    this.#uploads = uploads;
  }

  settle(upload: string, offset: number, answered: boolean): void {
    if (!answered) {
      this.#arrived.delete(upload);
      this.#unwritten.delete(upload);
      this.#lost.set(upload, offset);
      return;
    }
    this.#lost.delete(upload);
    this.#arrived.set(upload, offset);
    this.#unwritten.add(upload);
    this.#delayed.changed();
  }

  /** Whether the answer to the upload's newest append is known to have arrived. */
  arrived(upload: Upload): boolean {
    if (this.#lost.get(upload.id) === upload.offset) return false;
    return upload.lastAnswered || this.#arrived.get(upload.id) === upload.offset;
  }

  close(): Promise<void> {
    return this.#delayed.now();
  }

  async #flush(): Promise<void> {
    const marks = [...this.#unwritten].flatMap((upload) => {
      const offset = this.#arrived.get(upload);
      return offset === undefined ? [] : [[upload, offset] as const];
    });
    this.#unwritten.clear();
    // A mark that cannot be written is forgotten by a crash, no sooner.
    if (marks.length > 0) await this.#uploads.answered(marks).catch(() => undefined);
  }
}
