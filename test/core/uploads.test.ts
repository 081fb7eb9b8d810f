/** Concurrent writers of one upload. */
import { randomBytes } from 'node:crypto';
import { bodyOf, deadBody } from '../support/body.ts';
import { openWorld, type World } from '../support/world.ts';

const who = { namespace: 'system', credential: 'test' };
let world: World;

beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

/** An upload of 100 bytes to which a dead connection still appends, having brought 50 more. */
async function held(at: number | undefined): Promise<{ id: string; dead: Promise<unknown> }> {
  const { uploads } = world.core;
  const { id } = await uploads.begin(who);
  await uploads.append(who, id, bodyOf(randomBytes(100)), { at: 0, digests: [] });
  const body = deadBody(randomBytes(50));
  const dead = uploads.append(who, id, body, { at, digests: [] });
  dead.catch(() => undefined);
  await body.stalled;
  return { id, dead };
}

test('to look disturbs nobody; to fence makes the holder let go, and what had arrived is kept where that was asked for', async () => {
  const { uploads } = world.core;
  const { id, dead } = await held(100);
  expect((await uploads.look(who, id)).offset).toBe(100);
  expect(uploads.receiving(id)).toBe(true);
  expect((await uploads.fence(who, id)).offset).toBe(150);
  await expect(dead).rejects.toMatchObject({ reason: 'superseded', details: { offset: 150 } });
  expect((await uploads.append(who, id, bodyOf(randomBytes(7)), { at: 150, digests: [] })).upload.offset).toBe(157);
});

test('an append without an offset counts whole or not at all, and never mixes with the next', async () => {
  const { uploads } = world.core;
  const { id, dead } = await held(undefined);
  expect((await uploads.append(who, id, bodyOf(randomBytes(9)), { at: undefined, digests: [] })).upload.offset).toBe(
    109,
  );
  await expect(dead).rejects.toMatchObject({ reason: 'superseded', details: { offset: 100 } });
});

test('the sweep leaves alone what is being written, however old, and takes what is idle', async () => {
  const { uploads, sweep } = world.core;
  const { id, dead } = await held(100);
  const idle = await uploads.begin(who);
  world.clock.move(25 * 3_600_000);
  expect((await sweep.run()).uploads).toBeGreaterThanOrEqual(1);
  await expect(uploads.look(who, idle.id)).rejects.toMatchObject({ reason: 'not_found' });
  expect((await uploads.fence(who, id)).offset).toBe(150);
  await expect(dead).rejects.toMatchObject({ reason: 'superseded' });
});

test('of many appends at once without an offset, each is there whole or was refused', async () => {
  const { uploads } = world.core;
  const { id } = await uploads.begin(who);
  const bodies = Array.from({ length: 20 }, (_, n) => Buffer.alloc(1000 + n, n));
  const results = await Promise.allSettled(
    bodies.map((data) => uploads.append(who, id, bodyOf(data), { at: undefined, digests: [] })),
  );
  const kept = bodies.filter((_, n) => results[n]!.status === 'fulfilled').reduce((sum, data) => sum + data.length, 0);
  expect((await uploads.look(who, id)).offset).toBe(kept);
  expect(results.some((result) => result.status === 'fulfilled')).toBe(true);
});
