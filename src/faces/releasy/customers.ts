import type { Customer } from '../../core/records.ts';
import { once } from '../../http/idempotency.ts';
import type { Context } from './context.ts';
import { bad, filterOf, paged, pageOf, required, secondsOf } from './queries.ts';

interface Wish {
  readonly name?: string | null;
  readonly plan?: string | null;
  readonly suspended?: boolean | null;
}

/** Customers of the releases. */
export function customers({ core, guarded, releaseBucket }: Context): void {
  guarded
    .operator('createCustomer', ['platform_admin'], async ({ req, res, who, body }) => {
      const { name, plan } = body<Wish>();
      const wish = { name: required('name', name), plan: plan?.trim() || null };
      return once(
        core.idempotency,
        { req, res },
        { caller: who.credential, operation: 'createCustomer', wish },
        async (seed) => {
          await releaseBucket.open();
          const { suspended_at: _, ...made } = view(await core.customers.create(who, wish, seed));
          return made;
        },
      );
    })
    .operator('listCustomers', ['platform_admin', 'platform_support'], async ({ who, params }) => {
      const filter = {
        id: filterOf(params, 'customer_id'),
        name: filterOf(params, 'name'),
        plan: filterOf(params, 'plan'),
      };
      const { found, about } = await paged(
        pageOf(params),
        (page) => core.customers.list(who, filter, page),
        ({ createdAt: at, id }) => ({ at, id }),
      );
      return { customers: found.map(view), ...about };
    })
    .operator('getCustomer', ['platform_admin', 'platform_support'], async ({ who, params }) =>
      view(await core.customers.get(who, params.text('customer_id'))),
    )
    .operator('changeCustomer', ['platform_admin'], async ({ who, params, body }) =>
      view(await core.customers.change(who, params.text('customer_id'), changeOf(body<Wish>()))),
    );
}

/** The requested change: null clears the plan and leaves other fields unchanged. */
function changeOf({ name, plan, suspended }: Wish): { name?: string; plan?: string | null; suspended?: boolean } {
  const change: { name?: string; plan?: string | null; suspended?: boolean } = {};
  if (typeof name === 'string') {
    change.name = name.trim();
    if (change.name === '') throw bad('name must not be empty');
  }
  if (plan !== undefined) change.plan = plan?.trim() || null;
  if (typeof suspended === 'boolean') change.suspended = suspended;
  if (Object.keys(change).length === 0) throw bad('at least one field must be provided');
  return change;
}

function view({ id, name, plan, createdAt, suspendedAt }: Customer): Record<string, unknown> {
  return { id, name, plan, created_at: secondsOf(createdAt), suspended_at: secondsOf(suspendedAt) };
}
