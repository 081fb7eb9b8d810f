import type { Clock } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { AuditFilter, Catalog, TimePage } from '../engine.ts';
import type { Audit } from '../../catalog/model.ts';
import { BatchedWrites } from '../../kit/batched-writes.ts';

/** The audit log of authentication attempts. */
export class Audits {
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  readonly #batch: BatchedWrites<Audit>;

  constructor(catalog: Catalog, clock: Clock) {
    this.#catalog = catalog;
    this.#clock = clock;
    this.#batch = new BatchedWrites((audits) => catalog.audits.record(audits));
  }

  /** Records an audit with a delay. `payload` must not contain secrets. */
  note(audit: Pick<Audit, 'namespace' | 'customer' | 'actor' | 'event' | 'payload'>): void {
    this.#batch.add({ ...audit, id: newId(), at: this.#clock.now() });
  }

  /** Newest first. Pending audits are written first. */
  async list(namespace: string, filter: AuditFilter, page: TimePage): Promise<Audit[]> {
    await this.#batch.flush();
    return this.#catalog.audits.list(namespace, filter, page);
  }

  close(): Promise<void> {
    return this.#batch.flush();
  }
}
