import type { Request } from 'express';
import { demandSystem } from '../../core/tenants/access.ts';
import { SYSTEM, type Principal } from '../../core/records.ts';
import { text } from '../../http/routes.ts';
import { sameSecret } from '../../kit/same-secret.ts';
import type { Context } from './context.ts';

/** Health checks and metrics for operators. */
export function health({ core, metrics, lifetime, headroom, routes, tokens, metricsToken }: Context): void {
  // Totals of stored contents would tell a tenant whether its content already exists, so tenants may not read them.
  const scraper = async (req: Request): Promise<Principal> => {
    const shown = /^Bearer +(\S+)$/i.exec(req.headers.authorization ?? '')?.[1];
    if (metricsToken !== undefined && shown !== undefined && sameSecret(shown, metricsToken)) {
      return { namespace: SYSTEM, credential: 'metrics' };
    }
    const who = await tokens.principal(req);
    demandSystem(who);
    return who;
  };
  const fault = async (): Promise<string | undefined> => {
    const state = core.health();
    if (!state.writable) return state.why;
    if (lifetime.closing) return 'the server is shutting down';
    return (await core.space()).free < headroom ? 'the disk is nearly full' : undefined;
  };
  routes
    .open('livez', (call) => quiet(call.res, text(call, 200, 'ok\n')))
    .open('readyz', async (call) => {
      const why = await fault();
      return quiet(call.res, why === undefined ? text(call, 200, 'ready\n') : text(call, 503, `not ready: ${why}\n`));
    })
    .open('healthz', async (call) => {
      const why = await fault();
      return quiet(call.res, why === undefined ? text(call, 200, 'ok\n') : text(call, 503, `not well: ${why}\n`));
    })
    .guarded('metrics', scraper, async (call) =>
      quiet(call.res, text(call, 200, await metrics.print(), metrics.contentType)),
    );
}

/** Polled every few seconds, so not logged. */
function quiet<T>(res: { locals: Record<string, unknown> }, result: T): T {
  res.locals['quiet'] = true;
  return result;
}
