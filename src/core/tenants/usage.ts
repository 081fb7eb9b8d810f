import type { Clock } from '../../kit/clock.ts';
import { DelayedWrite } from '../../kit/batched-writes.ts';
import { demandGrant, demandSystem, owns } from './access.ts';
import type { Catalog } from '../engine.ts';
import { eventBy } from './events.ts';
import type { Ledger, Principal } from '../../catalog/model.ts';
import { Refusal } from '../refusal.ts';

/** Milliseconds between two notes of what was sent: a crash forgets no more than that. */
const pause = 1000;

/** What namespaces store and have sent, and how much of that they may. */
export class Usage {
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  /** Bytes sent that are not on record yet. */
  readonly #unrecorded = new Map<string, number>();
  readonly #delayed = new DelayedWrite(() => this.#record(), pause);

  constructor(catalog: Catalog, clock: Clock) {
    this.#catalog = catalog;
    this.#clock = clock;
  }

  /** @throws Refusal `not_found` for another's. */
  async get(who: Principal, namespace = who.namespace): Promise<Ledger> {
    const ledger = owns(who, namespace) ? await this.#read(namespace) : undefined;
    if (!ledger) throw new Refusal('not_found', 'namespace not found');
    return ledger;
  }

  /** Sets what a namespace may; a limit that is not named stays. System only. */
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

  /** @throws Refusal `over_quota` once a namespace has had sent what it may in this month. */
  async demandTransfer(namespace: string): Promise<void> {
    const ledger = await this.#read(namespace);
    if (!ledger || ledger.allowance === null || ledger.sent < ledger.allowance) return;
    throw new Refusal(
      'over_quota',
      `the namespace has used its transfer quota of ${ledger.allowance} bytes for this month`,
      { allowance: ledger.allowance, sent: ledger.sent },
    );
  }

  /** Counts bytes that were sent on account of a namespace. */
  sent(namespace: string, bytes: number): void {
    this.#unrecorded.set(namespace, (this.#unrecorded.get(namespace) ?? 0) + bytes);
    this.#delayed.changed();
  }

  /** Writes down what is not yet. */
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
