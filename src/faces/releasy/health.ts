import { Refusal } from '../../core/refusal.ts';
import type { Context } from './context.ts';

/** What those who run the server look at, and what programs read about it. */
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
      // What is asked every few seconds is not worth a line in the log each time.
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
