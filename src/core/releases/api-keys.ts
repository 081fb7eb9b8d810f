import { randomBytes } from 'node:crypto';
import type { Clock } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import { keyedHash } from '../tenants/access.ts';
import type { Audits } from './audits.ts';
import type { Catalog } from '../engine.ts';
import type { Customer, CustomerKey, Event, Principal } from '../../catalog/model.ts';
import { BatchedWrites } from '../../kit/batched-writes.ts';
import { Refusal } from '../refusal.ts';

/** A key and its customer. */
export interface ApiKeyHolder {
  readonly key: CustomerKey;
  readonly customer: Customer;
}

interface ApiKeyOptions {
  /** Prefix of the keys. */
  readonly prefix: string;
  readonly pepper: string | undefined;
}

/** Customers' API keys. They are random, so a plain keyed hash is a sufficient verifier. */
export class ApiKeys {
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  readonly #audits: Audits;
  readonly #pepper: string | undefined;
  readonly #prefix: string;
  readonly #used: BatchedWrites<readonly [id: string, at: number]>;

  constructor(catalog: Catalog, clock: Clock, audits: Audits, { prefix, pepper }: ApiKeyOptions) {
    this.#catalog = catalog;
    this.#clock = clock;
    this.#audits = audits;
    this.#pepper = pepper;
    this.#prefix = prefix;
    this.#used = new BatchedWrites((marks) => catalog.customers.used([...new Map(marks)]));
  }

  /**
   * Creates a key. The secret is returned only here.
   *
   * @throws Refusal `not_found`
   */
  async create(
    who: Principal,
    wish: Pick<CustomerKey, 'customer' | 'name' | 'type' | 'scopes' | 'expiresAt'>,
  ): Promise<{ key: CustomerKey; raw: string }> {
    const raw = this.#prefix + randomBytes(32).toString('base64url');
    const key: CustomerKey = {
      ...wish,
      id: newId(),
      verifier: keyedHash(this.#pepper, raw),
      createdAt: this.#clock.now(),
      revokedAt: null,
      lastUsedAt: null,
    };
    if (
      !(await this.#catalog.customers.addKey(
        who.namespace,
        key,
        this.#event(key.customer, 'API key made', who, key.id),
      ))
    )
      throw new Refusal('not_found', 'customer not found');
    return { key, raw };
  }

  /** Revokes a key. */
  async revoke(who: Principal, id: string): Promise<void> {
    const found = await this.#catalog.customers.key(id);
    const known = found?.customer.namespace === who.namespace ? found : undefined;
    const event = known && this.#event(known.customer.id, 'API key revoked', who, id);
    if (!event || !(await this.#catalog.customers.revokeKey(id, event.at, event)))
      throw new Refusal('not_found', 'api key not found or already revoked');
  }

  /**
   * Authenticates a key. Every attempt is audited.
   *
   * @throws Refusal `wrong_secret`
   */
  async open(namespace: string, raw: string | undefined): Promise<ApiKeyHolder> {
    const found = raw?.startsWith(this.#prefix)
      ? await this.#catalog.customers.proved(keyedHash(this.#pepper, raw))
      : undefined;
    const known = found?.customer.namespace === namespace ? found : undefined;
    const fault = raw === undefined ? 'missing_header' : known ? this.#faultOf(known) : 'not_found';
    const payload = {
      outcome: fault === undefined ? 'accept' : 'reject',
      reason: fault ?? 'ok',
      api_key_id: known?.key.id ?? null,
    };
    this.#audits.note({
      namespace,
      customer: known?.customer.id ?? null,
      actor: 'api_key',
      event: 'api_key.auth',
      payload,
    });
    if (!known || fault !== undefined) throw new Refusal('wrong_secret', 'that is no API key of a customer');
    this.#used.add([known.key.id, this.#clock.now()]);
    return known;
  }

  /** The key with that id and its customer, if the key is valid. */
  async recall(id: string): Promise<ApiKeyHolder | undefined> {
    const found = await this.#catalog.customers.key(id);
    return found && this.#faultOf(found) === undefined ? found : undefined;
  }

  close(): Promise<void> {
    return this.#used.flush();
  }

  #faultOf({ key, customer }: ApiKeyHolder): string | undefined {
    if (customer.suspendedAt !== null) return 'suspended';
    if (key.revokedAt !== null) return 'revoked';
    return key.expiresAt !== null && key.expiresAt <= this.#clock.now() ? 'expired' : undefined;
  }

  #event(customer: string, message: string, who: Principal, key: string): Event {
    return {
      subject: 'customer',
      id: customer,
      at: this.#clock.now(),
      type: 'audit',
      message,
      duration: null,
      extra: { by: who.credential, key },
      actor: { namespace: who.namespace, generation: who.generation },
    };
  }
}
