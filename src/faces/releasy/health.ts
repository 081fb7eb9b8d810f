import { Refusal } from '../../core/refusal.ts';
import type { Context } from './context.ts';

/** What those who run the server look at, and what programs read about it. */
export function health({ core, doors, book, lifetime }: Context): void {
  const fine = { status: 'ok' };
  const demand = async (): Promise<typeof fine> => {
    if (lifetime.closing) throw new Refusal('unavailable', 'the server is going down');
    const fault = await core.totals().then(() => undefined, (error: unknown) => error);
    if (fault !== undefined || !core.health().writable) throw new Refusal('unavailable', 'database unavailable', {}, fault);
    return fine;
  };
  for (const id of ['health', 'ready']) {
    doors.open(id, async ({ res }) => {
      // What is asked every few seconds is not worth a line in the log each time.
      res.locals['quiet'] = true;
      return demand();
    });
  }
  doors.open('live', ({ res }) => {
    res.locals['quiet'] = true;
    return fine;
  });
  doors.open('bookAsJson', () => book.content);
}
