/** Helpers for tests of the Releasy API. */
import type { Answered, Asked, World } from './world.ts';

export const adminKey = 'the-admin-key';
export const env = { RELEASY_ADMIN_API_KEY: adminKey };

export interface CustomerView {
  readonly id: string;
  readonly name: string;
  readonly plan: string | null;
  readonly created_at: number;
  readonly suspended_at: number | null;
}

export interface KeyView {
  readonly api_key_id: string;
  readonly api_key: string;
  readonly customer_id: string;
}

/** A complete error response of this API. */
export const refusal = (status: number, code: string, message: string): unknown => ({
  status,
  body: { error: { code, message } },
});
export const told = (answer: Answered): unknown => ({ status: answer.status, body: answer.json() });

export class Pipeline {
  readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  /** Sends a request with the admin key. */
  ask(method: string, path: string, json?: unknown, more: Asked = {}): Promise<Answered> {
    return this.world.ask(method, path, {
      as: null,
      ...more,
      ...(json === undefined ? {} : { json }),
      headers: { 'x-releasy-admin-key': adminKey, ...more.headers },
    });
  }

  /** Sends a request with the given credentials. */
  as(headers: Readonly<Record<string, string>>, method: string, path: string, json?: unknown): Promise<Answered> {
    return this.world.ask(method, path, { as: null, headers, ...(json === undefined ? {} : { json }) });
  }

  /** Like `ask`, but must succeed. */
  async must<T = Record<string, unknown>>(method: string, path: string, json?: unknown): Promise<T> {
    const answer = await this.ask(method, path, json);
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${answer.bytes.toString()}`);
    return answer.json<T>();
  }

  customer(name = 'Acme', plan?: string): Promise<CustomerView> {
    return this.must('POST', '/v1/admin/customers', { name, ...(plan === undefined ? {} : { plan }) });
  }

  /** A key and the headers that carry it. */
  async key(
    customer: string,
    wish: Record<string, unknown> = {},
  ): Promise<KeyView & { readonly headers: Record<string, string> }> {
    const key = await this.must<KeyView>('POST', '/v1/admin/keys', { customer_id: customer, ...wish });
    return { ...key, headers: { 'x-releasy-api-key': key.api_key } };
  }
}
