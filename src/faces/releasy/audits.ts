import type { Audit } from '../../core/records.ts';
import type { Context } from './context.ts';
import { bad, filterOf, paged, pageOf, secondsOf } from './queries.ts';

/** The audit log of access attempts. */
export function audits({ core, guarded }: Context): void {
  guarded.operator('listAudits', ['platform_admin', 'platform_support'], async ({ who, params }) => {
    const [from, to] = [params.maybeInteger('created_from'), params.maybeInteger('created_to')];
    if (from !== undefined && from < 0) throw bad('created_from must be >= 0');
    if (to !== undefined && to < 0) throw bad('created_to must be >= 0');
    if (from !== undefined && to !== undefined && from > to) throw bad('created_from must be <= created_to');
    const filter = {
      customer: filterOf(params, 'customer_id'),
      actor: filterOf(params, 'actor'),
      event: filterOf(params, 'event'),
      // Includes the whole last second.
      from: from === undefined ? undefined : from * 1000,
      to: to === undefined ? undefined : to * 1000 + 999,
    };
    const { found, about } = await paged(
      pageOf(params),
      (page) => core.audits.list(who.namespace, filter, page),
      ({ at, id }) => ({ at, id }),
    );
    return { events: found.map(view), ...about };
  });
}

function view({ id, customer, actor, event, payload, at }: Audit): Record<string, unknown> {
  return { id, customer_id: customer, actor, event, payload, created_at: secondsOf(at) };
}
