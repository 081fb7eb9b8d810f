import type { CustomerKey, Scope } from '../../core/records.ts';
import { refuseKey } from '../../http/idempotency.ts';
import type { Context } from './context.ts';
import { bad, required, secondsOf } from './queries.ts';

const scopes: readonly Scope[] = [
  'releases:read',
  'downloads:read',
  'downloads:token',
  'keys:read',
  'keys:write',
  'audit:read',
];
/** Prefix of customers' API keys. */
export const apiKeyPrefix = 'releasy_';

const types: readonly CustomerKey['type'][] = ['human', 'ci', 'integration'];
/** Largest time in seconds; larger values are evidently milliseconds. */
const latest = 10_000_000_000;

interface Wish {
  readonly customer_id: string;
  readonly name?: string | null;
  readonly scopes?: readonly string[] | null;
  readonly expires_at?: number | null;
  readonly key_type?: string | null;
}

/** Customers' API keys. */
export function keys({ core, guarded }: Context): void {
  guarded
    .operator('createCustomerKey', ['platform_admin'], async ({ who, req, body }) => {
      refuseKey(req, 'idempotency-key not supported for admin key creation');
      const wish = body<Wish>();
      const customer = required('customer_id', wish.customer_id);
      await core.customers.get(who, customer);
      const { key, raw } = await core.apiKeys.create(who, {
        customer,
        name: wish.name ?? null,
        scopes: scopesOf(wish.scopes),
        type: typeOf(wish.key_type),
        expiresAt: expiryOf(wish.expires_at, core.clock.now()),
      });
      return { api_key_id: key.id, api_key: raw, ...view(key) };
    })
    .operator('revokeCustomerKey', ['platform_admin', 'platform_support'], async ({ who, body }) => {
      const id = required('api_key_id', body<{ api_key_id: string }>().api_key_id);
      await core.apiKeys.revoke(who, id);
      return { api_key_id: id };
    })
    .customer('introspectCustomerKey', 'keys:read', async ({ who: { key } }) => ({
      active: true,
      api_key_id: key.id,
      ...view(key),
    }));
}

/** The requested scopes; default: all. */
function scopesOf(wished: readonly string[] | null | undefined): readonly Scope[] {
  if (!wished) return scopes;
  const named = [...new Set(wished.map((scope) => scope.trim()))].filter((scope) => scope !== '');
  if (named.length === 0) throw bad('scopes must not be empty');
  return named.map((name) => {
    const scope = scopes.find((one) => one === name);
    if (!scope) throw bad('invalid scope');
    return scope;
  });
}

function typeOf(wished: string | null | undefined): CustomerKey['type'] {
  const name = wished === null || wished === undefined ? 'human' : required('key_type', wished).toLowerCase();
  const type = types.find((one) => one === name);
  if (!type) throw bad('invalid key_type');
  return type;
}

function expiryOf(seconds: number | null | undefined, now: number): number | null {
  if (seconds === null || seconds === undefined) return null;
  if (seconds < 0 || seconds > latest) throw bad('expires_at must be a unix timestamp in seconds');
  if (seconds * 1000 <= now) throw bad('expires_at must be in the future');
  return seconds * 1000;
}

function view({ customer, type, scopes: held, expiresAt }: CustomerKey): Record<string, unknown> {
  return { customer_id: customer, key_type: type, scopes: held, expires_at: secondsOf(expiresAt) };
}
