import { Refusal } from '../../core/refusal.ts';
import type { Context } from './context.ts';

/** Health checks for operators, and the API description. */
export function health({ core, guarded, openapi, lifetime }: Context): void {
  const fine = { status: 'ok' };
  const demand = async (): Promise<typeof fine> => {
    if (lifetime.closing) throw new Refusal('unavailable', 'the server is shutting down');
    const fault = await core.totals().then(
      () => undefined,
      (error: unknown) => error,
    );
    if (fault !== undefined || !core.health().writable)
      throw new Refusal('unavailable', 'database unavailable', {}, fault);
    return fine;
  };
  for (const id of ['health', 'ready']) {
    guarded.open(id, async ({ res }) => {
      // Polled every few seconds, so not logged.
      res.locals['quiet'] = true;
      return demand();
    });
  }
  guarded.open('live', ({ res }) => {
    res.locals['quiet'] = true;
    return fine;
  });
  guarded.open('bookAsJson', () => openapi.content);
}
