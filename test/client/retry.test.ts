import { StowageError } from '../../src/client/error.ts';
import { Backoff, parseRetryAfter, sleep } from '../../src/client/retry.ts';

const cut = new StowageError('network', 'cut');

let waits: number[] = [];
const wait = async (ms: number): Promise<void> => void waits.push(ms);
beforeEach(() => void (waits = []));

describe('back-off', () => {
  test('doubles, with jitter, up to its longest wait', async () => {
    const longest = new Backoff({ attempts: 10, first: 20, most: 50 }, () => 1, wait);
    for (let turn = 0; turn < 5; turn += 1) await longest.wait(cut);
    expect(waits).toEqual([20, 40, 50, 50, 50]);
    waits = [];
    const shortest = new Backoff({ attempts: 10, first: 20, most: 50 }, () => 0, wait);
    for (let turn = 0; turn < 4; turn += 1) await shortest.wait(cut);
    expect(waits).toEqual([10, 20, 25, 25]);
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
    const backoff = new Backoff({ attempts: 4, first: 0, most: 0 }, Math.random, wait);
    await backoff.wait(new StowageError('unavailable', 'busy', { retryAfter: 60_000 }));
    await backoff.wait(new StowageError('unavailable', 'busy', { retryAfter: 3_600_000 }));
    // Nobody is made to wait for longer than five minutes.
    expect(waits).toEqual([60_000, 300_000]);
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

  test('Retry-After is read in seconds and as a date', () => {
    expect(parseRetryAfter('3', 0)).toBe(3000);
    expect(parseRetryAfter('Thu, 01 Jan 1970 00:00:09 GMT', 4000)).toBe(5000);
    expect(parseRetryAfter('Thu, 01 Jan 1970 00:00:09 GMT', 60_000)).toBe(0);
    expect(parseRetryAfter('soon', 0)).toBeUndefined();
    expect(parseRetryAfter(undefined, 0)).toBeUndefined();
  });
});
