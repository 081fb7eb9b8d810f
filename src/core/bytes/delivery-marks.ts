import { LRUCache } from 'lru-cache';
import { DelayedWrite } from '../../kit/batched-writes.ts';
import type { Catalog } from '../engine.ts';
import type { Upload } from '../../catalog/model.ts';

/** Milliseconds for which marks are collected before one commit; a crash loses at most those. */
const gathering = 50;
/** Maximum uploads in memory; for older ones the record is used, which is up to date by then. */
const memory = 10_000;

/** Tracks whether responses to appends arrived. The record says `unanswered` from the commit until more is known. */
export class DeliveryMarks {
  readonly #uploads: Pick<Catalog['uploads'], 'answered'>;
  /** Offsets whose response arrived. Kept after recording: a concurrent append may have read the old record. */
  readonly #arrived = new LRUCache<string, number>({ max: memory });
  /** Uploads whose newest mark is not recorded. */
  readonly #unwritten = new Set<string>();
  /** Offsets whose response was sent and lost. */
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

  /** Whether the response of the upload's newest append is known to have arrived. */
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
    // On failure the mark remains in memory and is lost only in a crash.
    if (marks.length > 0) await this.#uploads.answered(marks).catch(() => undefined);
  }
}
