import type { Clock } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { AuditFilter, Catalog, TimePage } from '../engine.ts';
import type { Audit } from '../../catalog/model.ts';
import { Notes } from '../../kit/batched-writes.ts';

/** Who tried to get in, and what came of it. */
export class Audits {
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  readonly #notes: Notes<Audit>;

  constructor(catalog: Catalog, clock: Clock) {
    this.#catalog = catalog;
    this.#clock = clock;
    this.#notes = new Notes((audits) => catalog.audits.record(audits));
  }

  /** Puts on record what happened; soon, not at once. `payload` must hold no secret. */
  note(audit: Pick<Audit, 'namespace' | 'customer' | 'actor' | 'event' | 'payload'>): void {
    this.#notes.add({ ...audit, id: newId(), at: this.#clock.now() });
  }

  /** Newest first; what happened before is always among it. */
  async list(namespace: string, filter: AuditFilter, page: TimePage): Promise<Audit[]> {
    await this.#notes.flush();
    return this.#catalog.audits.list(namespace, filter, page);
  }

  close(): Promise<void> {
    return this.#notes.flush();
  }
}
