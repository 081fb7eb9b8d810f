import type { Clock } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { Catalog, CustomerFilter, TimePage } from '../engine.ts';
import type { Customer, Entitlement, Event, Principal } from '../../catalog/model.ts';
import { endsTooEarly } from '../../catalog/releases/customers.ts';
import { Refusal } from '../refusal.ts';

type EntitlementWish = Pick<Entitlement, 'product' | 'startsAt' | 'endsAt' | 'metadata'>;

/** Customers and their entitlements. */
export class Customers {
  readonly #catalog: Catalog;
  readonly #clock: Clock;

  constructor(catalog: Catalog, clock: Clock) {
    this.#catalog = catalog;
    this.#clock = clock;
  }

  /** @param id the customer's id; a repeated call returns the existing customer */
  async create(who: Principal, { name, plan }: Pick<Customer, 'name' | 'plan'>, id = newId()): Promise<Customer> {
    const customer: Customer = {
      id,
      namespace: who.namespace,
      name,
      plan,
      createdAt: this.#clock.now(),
      suspendedAt: null,
    };
    return this.#catalog.customers.create(customer, this.#event(id, 'customer made', who));
  }

  /** @throws Refusal `not_found` */
  async get({ namespace }: Pick<Principal, 'namespace'>, id: string): Promise<Customer> {
    const found = await this.#catalog.customers.get(id);
    if (found?.namespace !== namespace) throw new Refusal('not_found', 'customer not found');
    return found;
  }

  /** Newest first. */
  list({ namespace }: Principal, filter: CustomerFilter, page: TimePage): Promise<Customer[]> {
    return this.#catalog.customers.list(namespace, filter, page);
  }

  /** Changes a customer. API keys of a suspended customer are refused. */
  async change(
    who: Principal,
    id: string,
    { suspended, ...change }: Partial<Pick<Customer, 'name' | 'plan'>> & { readonly suspended?: boolean },
  ): Promise<Customer> {
    const { suspendedAt } = await this.get(who, id);
    const asked = suspended === undefined ? {} : { suspendedAt: suspended ? (suspendedAt ?? this.#clock.now()) : null };
    const said =
      suspended === undefined ? 'customer changed' : suspended ? 'customer suspended' : 'customer no longer suspended';
    const changed = await this.#catalog.customers.change(id, { ...change, ...asked }, this.#event(id, said, who));
    if (!changed) throw new Refusal('not_found', 'customer not found');
    return changed;
  }

  /**
   * Entitles a customer to a product for a period.
   *
   * @param id as for `create`
   * @throws Refusal `not_found`, `ends_too_early`
   */
  async entitle(who: Principal, customer: string, wish: EntitlementWish, id = newId()): Promise<Entitlement> {
    await this.get(who, customer);
    if (wish.endsAt !== null && wish.endsAt < wish.startsAt) throw endsTooEarly();
    const entitlement: Entitlement = { ...wish, id, customer };
    const made = await this.#catalog.customers.entitle(
      entitlement,
      this.#event(customer, `entitled to ${wish.product}`, who, id),
    );
    if (!made) throw new Refusal('not_found', 'customer not found');
    return made;
  }

  /** By start. */
  async entitlements(
    who: Principal,
    customer: string,
    product: string | undefined,
    page: TimePage,
  ): Promise<Entitlement[]> {
    await this.get(who, customer);
    return this.#catalog.customers.entitlements(customer, product, page);
  }

  async changeEntitlement(
    who: Principal,
    customer: string,
    id: string,
    change: Partial<EntitlementWish>,
  ): Promise<Entitlement> {
    await this.get(who, customer);
    const changed = await this.#catalog.customers.changeEntitlement(
      customer,
      id,
      change,
      this.#event(customer, 'entitlement changed', who, id),
    );
    if (!changed) throw new Refusal('not_found', 'entitlement not found');
    return changed;
  }

  async dropEntitlement(who: Principal, customer: string, id: string): Promise<void> {
    await this.get(who, customer);
    const dropped = await this.#catalog.customers.dropEntitlement(
      customer,
      id,
      this.#event(customer, 'entitlement dropped', who, id),
    );
    if (!dropped) throw new Refusal('not_found', 'entitlement not found');
  }

  /** Products that the customer may have now. An entitlement includes its last second. */
  entitled(customer: string): Promise<string[]> {
    return this.#catalog.customers.entitled(customer, Math.floor(this.#clock.now() / 1000) * 1000);
  }

  #event(id: string, message: string, who: Principal, entitlement: string | null = null): Event {
    return {
      subject: 'customer',
      id,
      at: this.#clock.now(),
      type: 'audit',
      message,
      duration: null,
      extra: { by: who.credential, ...(entitlement === null ? {} : { entitlement }) },
      actor: { namespace: who.namespace, generation: who.generation },
    };
  }
}
