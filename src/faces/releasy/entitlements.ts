import type { Entitlement } from '../../core/records.ts';
import { sendAnswer } from '../../http/responses.ts';
import { once } from '../../http/idempotency.ts';
import { ANSWERED } from '../../http/routes.ts';
import type { Context } from './context.ts';
import { bad, filterOf, paged, pageOf, required, secondsOf } from './queries.ts';

interface Wish {
  readonly product: string;
  readonly starts_at: number;
  readonly ends_at?: number | null;
  readonly metadata?: unknown;
}

/** Entitlements: which customer may have which product, and when. */
export function entitlements({ core, guarded }: Context): void {
  guarded
    .operator('listEntitlements', ['platform_admin', 'platform_support'], async ({ who, params }) => {
      const [customer, product] = [params.text('customer_id'), filterOf(params, 'product')];
      const list = paged(
        pageOf(params),
        (page) => core.customers.entitlements(who, customer, product, page),
        ({ startsAt: at, id }) => ({ at, id }),
      );
      const { found, about } = await list;
      return { entitlements: found.map(view), ...about };
    })
    .operator('createEntitlement', ['platform_admin'], async ({ req, res, who, params, body }) => {
      const customer = params.text('customer_id');
      await core.customers.get(who, customer);
      const { product, starts_at: starts, ends_at: ends = null, metadata } = body<Wish>();
      const wish = {
        product: required('product', product),
        startsAt: startOf(starts),
        endsAt: ends === null ? null : ends * 1000,
        metadata: jsonOf(metadata),
      };
      const asking = { caller: who.credential, operation: 'createEntitlement', wish: [customer, wish] };
      return once(core.idempotency, { req, res }, asking, async (seed) =>
        view(await core.customers.entitle(who, customer, wish, seed)),
      );
    })
    .operator('changeEntitlement', ['platform_admin'], async ({ who, params, body }) => {
      return view(
        await core.customers.changeEntitlement(
          who,
          params.text('customer_id'),
          params.text('entitlement_id'),
          changeOf(body<Partial<Wish>>()),
        ),
      );
    })
    .operator('deleteEntitlement', ['platform_admin'], async ({ who, params, req, res }) => {
      await core.customers.dropEntitlement(who, params.text('customer_id'), params.text('entitlement_id'));
      sendAnswer(req, res, { status: 204 });
      return ANSWERED;
    });
}

/** The requested change: null clears the end and the metadata and leaves other fields unchanged. */
function changeOf({
  product,
  starts_at: starts,
  ends_at: ends,
  metadata,
}: { [key in keyof Wish]?: Wish[key] | null }): Partial<Omit<Entitlement, 'id' | 'customer'>> {
  if (typeof product === 'string' && product.trim() === '') throw bad('product must not be empty');
  return {
    ...(typeof product === 'string' ? { product: product.trim() } : {}),
    ...(typeof starts === 'number' ? { startsAt: startOf(starts) } : {}),
    ...(ends === undefined ? {} : { endsAt: ends === null ? null : ends * 1000 }),
    ...(metadata === undefined ? {} : { metadata: jsonOf(metadata) }),
  };
}

function startOf(seconds: number): number {
  if (seconds < 0) throw bad('starts_at must be positive');
  return seconds * 1000;
}

function jsonOf(metadata: unknown): string | null {
  if (metadata === undefined || metadata === null) return null;
  try {
    return JSON.stringify(metadata);
  } catch (error) {
    if (error instanceof RangeError) throw bad('metadata is nested too deeply');
    throw error;
  }
}

function view({ id, customer, product, startsAt, endsAt, metadata }: Entitlement): Record<string, unknown> {
  return {
    id,
    customer_id: customer,
    product,
    starts_at: secondsOf(startsAt),
    ends_at: secondsOf(endsAt),
    metadata: metadata === null ? null : (JSON.parse(metadata) as unknown),
  };
}
