/** Responses to wrong secrets are paced, so that many of them do not take the time of other requests. */
import { LoginAttempts, type Attempt } from '../../src/core/tenants/login-attempts.ts';
import { Refusal } from '../../src/core/refusal.ts';
import { MovableClock } from '../support/world.ts';

const crowd = 30;
const from = (address: string, guessable = false): Attempt => ({ from: address, subject: 'some key', guessable });
const unauthorized = new Refusal('unauthenticated', 'unauthorized');
const wrong = (): Promise<never> => Promise.reject(unauthorized);

/** Reasons of the answers, in the order in which they left; the last attempt is the stranger's. */
async function answered(attempts: readonly (() => Promise<unknown>)[]): Promise<string[]> {
  const order: string[] = [];
  await Promise.all(
    attempts.map((attempt, at) =>
      attempt().catch((error: unknown) => {
        order.push(at === attempts.length - 1 ? 'stranger' : (error as Refusal).reason);
      }),
    ),
  );
  return order;
}

test.each([
  ['guesses that are looked at', { guessable: true, failures: 1000, last: 'unauthenticated' }],
  ['guesses that are refused', { guessable: true, failures: 1, last: 'throttled' }],
  ['secrets that cannot be guessed', { guessable: false, failures: 1000, last: 'unauthenticated' }],
])('%s: an address waits for its own answers, not for those of another', async (_, { guessable, failures, last }) => {
  const attempts = new LoginAttempts(new MovableClock(), { failures, window: 3_600_000 });
  const order = await answered([
    ...Array.from({ length: crowd }, () => () => attempts.prove(from('192.0.2.1', guessable), wrong)),
    () => attempts.prove(from('192.0.2.2', guessable), wrong),
  ]);
  expect(order.at(-1)).toBe(last);
  expect(order.indexOf('stranger')).toBeLessThanOrEqual(2);
});

test('tokens that are wrong wait for their turn, too', async () => {
  const attempts = new LoginAttempts(new MovableClock(), { failures: 1000, window: 3_600_000 });
  const order = await answered([
    ...Array.from({ length: crowd }, () => () => attempts.wrong('192.0.2.1', unauthorized)),
    () => attempts.wrong('192.0.2.2', unauthorized),
  ]);
  expect(order.indexOf('stranger')).toBeLessThanOrEqual(2);
});

test('a right secret waits for no wrong one', async () => {
  const attempts = new LoginAttempts(new MovableClock(), { failures: 1000, window: 3_600_000 });
  let told = 0;
  const tell = (): unknown => (told += 1);
  const crowded = Array.from({ length: crowd }, () => attempts.prove(from('192.0.2.1'), wrong).catch(tell));
  await attempts.prove(from('192.0.2.1'), () => Promise.resolve());
  expect(told).toBeLessThanOrEqual(1);
  await Promise.all(crowded);
});

test('as many guesses at once as the limit allows are looked at, and no more', async () => {
  const attempts = new LoginAttempts(new MovableClock(), { failures: 3, window: 3_600_000 });
  let looked = 0;
  const guess = (): Promise<never> => {
    looked += 1;
    return wrong();
  };
  const guesses = Array.from({ length: crowd }, () => attempts.prove(from('192.0.2.1', true), guess));
  await Promise.allSettled(guesses);
  expect(looked).toBe(3);
});
