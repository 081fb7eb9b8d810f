import { StowageError } from '../../src/client/error.ts';
import { Backoff, parseRetryAfter, sleep } from '../../src/client/retry.ts';

const cut = new StowageError('network', 'cut');

async function waited(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

describe('back-off', () => {
  test('doubles, with jitter, up to its longest wait', async () => {
    const backoff = new Backoff({ attempts: 10, first: 20, most: 50 }, () => 1);
    const waits: number[] = [];
    for (let turn = 0; turn < 4; turn += 1) waits.push(await waited(() => backoff.wait(cut)));
    for (const [at, least] of [20, 40, 50, 50].entries()) expect(waits[at]).toBeGreaterThanOrEqual(least - 2);
  });

  test('never waits longer than its longest wait', async () => {
    const backoff = new Backoff({ attempts: 20, first: 1, most: 2 }, () => 1);
    // The last of them would wait four minutes, were it to double.
    for (let turn = 0; turn < 18; turn += 1) await backoff.wait(cut);
  });

  test('gives up after so many tries in a row, and starts over after progress', async () => {
    const backoff = new Backoff({ attempts: 3, first: 0, most: 0 });
    await backoff.wait(cut);
    await backoff.wait(cut);
    backoff.reset();
    await backoff.wait(cut);
    await backoff.wait(cut);
    await expect(backoff.wait(cut)).rejects.toBe(cut);
  });

  test('does not bear what will not pass', async () => {
    const backoff = new Backoff({ attempts: 3, first: 0, most: 0 });
    const refused = new StowageError('forbidden', 'no');
    await expect(backoff.wait(refused)).rejects.toBe(refused);
    const bug = new TypeError('bug');
    await expect(backoff.wait(bug)).rejects.toBe(bug);
  });

  test('waits as long as the server asks', async () => {
    const backoff = new Backoff({ attempts: 3, first: 0, most: 0 });
    const busy = new StowageError('unavailable', 'busy', { retryAfter: 60 });
    expect(await waited(() => backoff.wait(busy))).toBeGreaterThanOrEqual(58);
  });

  test('no room is borne only where the server says when there will be some', () => {
    expect(new StowageError('full', 'full').retryable).toBe(false);
    expect(new StowageError('full', 'full', { retryAfter: 1000 }).retryable).toBe(true);
  });

  test('no room is not waited for as long as a server', async () => {
    const backoff = new Backoff({ attempts: 10, first: 0, most: 0 });
    const full = new StowageError('full', 'full', { retryAfter: 1 });
    await backoff.wait(full);
    await backoff.wait(full);
    await expect(backoff.wait(full)).rejects.toBe(full);
  });

  test('ends at once when told to', async () => {
    const stop = new AbortController();
    const sleeping = sleep(10_000, stop.signal);
    stop.abort();
    await expect(sleeping).rejects.toMatchObject({ code: 'aborted' });
    await expect(sleep(10_000, stop.signal)).rejects.toMatchObject({ code: 'aborted' });
  });

  test('Retry-After in both forms', () => {
    expect(parseRetryAfter('3', 0)).toBe(3000);
    expect(parseRetryAfter('Thu, 01 Jan 1970 00:00:09 GMT', 4000)).toBe(5000);
    expect(parseRetryAfter('Thu, 01 Jan 1970 00:00:09 GMT', 60_000)).toBe(0);
    expect(parseRetryAfter('soon', 0)).toBeUndefined();
    expect(parseRetryAfter(undefined, 0)).toBeUndefined();
  });
});
