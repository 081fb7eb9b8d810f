import type { Clock } from '../../kit/clock.ts';
import { DelayedWrite } from '../../kit/batched-writes.ts';
import { demandGrant, demandSystem, owns } from './access.ts';
import type { Catalog } from '../engine.ts';
import { eventBy } from './events.ts';
import type { Ledger, Principal } from '../../catalog/model.ts';
import { Refusal } from '../refusal.ts';

/** Milliseconds between two records of sent bytes; a crash loses at most those. */
const pause = 1000;

/** Storage and transfer of namespaces, and their limits. */
export class Usage {
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  /** Sent bytes that are not recorded yet. */
  readonly #unrecorded = new Map<string, number>();
  readonly #delayed = new DelayedWrite(() => this.#record(), pause);

  constructor(catalog: Catalog, clock: Clock) {
    this.#catalog = catalog;
    this.#clock = clock;
  }

  /** @throws Refusal `not_found` for another namespace */
  async get(who: Principal, namespace = who.namespace): Promise<Ledger> {
    const ledger = owns(who, namespace) ? await this.#read(namespace) : undefined;
    if (!ledger) throw new Refusal('not_found', 'namespace not found');
    return ledger;
  }

  /** Sets limits of a namespace; limits that are absent stay unchanged. System only. */
  async setLimits(
    who: Principal,
    namespace: string,
    limits: Partial<Pick<Ledger, 'quota' | 'allowance'>>,
  ): Promise<Ledger> {
    demandSystem(who);
    demandGrant(who, 'admin');
    const event = eventBy(who, this.#clock.now(), {
      subject: 'namespace',
      id: namespace,
      message: 'limits set',
      type: 'mutate',
      more: { ...limits },
    });
    if (!(await this.#catalog.usage.setLimits(namespace, limits, event)))
      throw new Refusal('not_found', 'namespace not found');
    return this.get(who, namespace);
  }

  /** @throws Refusal `over_quota` if the namespace has used its monthly transfer */
  async demandTransfer(namespace: string): Promise<void> {
    const ledger = await this.#read(namespace);
    if (!ledger || ledger.allowance === null || ledger.sent < ledger.allowance) return;
    throw new Refusal(
      'over_quota',
      `the namespace has used its transfer quota of ${ledger.allowance} bytes for this month`,
      { allowance: ledger.allowance, sent: ledger.sent },
    );
  }

  /** Charges sent bytes to a namespace. */
  sent(namespace: string, bytes: number): void {
    this.#unrecorded.set(namespace, (this.#unrecorded.get(namespace) ?? 0) + bytes);
    this.#delayed.changed();
  }

  /** Writes pending records. */
  close(): Promise<void> {
    return this.#delayed.now();
  }

  async #read(namespace: string): Promise<Ledger | undefined> {
    const ledger = await this.#catalog.usage.get(namespace);
    if (!ledger) return undefined;
    const month = this.#month();
    const pending = this.#unrecorded.get(namespace) ?? 0;
    return { ...ledger, month, sent: (ledger.month === month ? ledger.sent : 0) + pending };
  }

  async #record(): Promise<void> {
    const sent = [...this.#unrecorded];
    if (sent.length === 0) return;
    this.#unrecorded.clear();
    await this.#catalog.usage.spend(this.#month(), sent);
  }

  #month(): string {
    return new Date(this.#clock.now()).toISOString().slice(0, 7);
  }
}
