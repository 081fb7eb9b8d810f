import {
  CreateBucketCommand,
  GetObjectCommand,
  PutBucketLifecycleConfigurationCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { runLifecycle } from '../../src/faces/s3/lifecycle.ts';
import { s3Client } from '../support/s3.ts';
import { openWorld, type World } from '../support/world.ts';

const day = 86_400_000;
let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

const offsetOf = async (upload: string): Promise<number> => (await world.ask('GET', `/upload/${upload}`)).status;

test('a wall clock that jumps ahead makes no upload idle, and hours that pass do', async () => {
  const upload = await world.upload(Buffer.from('kept'));
  world.clock.jump(400 * day);
  await world.core.sweep.run();
  expect(await offsetOf(upload)).toBe(200);
  world.clock.move(23 * 3_600_000);
  await world.core.sweep.run();
  expect(await offsetOf(upload)).toBe(200);
  world.clock.move(2 * 3_600_000);
  await world.core.sweep.run();
  expect(await offsetOf(upload)).toBe(404);
});

test('a jump while no server runs counts towards no age', async () => {
  const upload = await world.upload(Buffer.from('kept'));
  await world.server.close();
  world.clock.jump(400 * day);
  await world.start();
  await world.core.sweep.run();
  expect(await offsetOf(upload)).toBe(200);
  await world.restart();
  world.clock.move(25 * 3_600_000);
  await world.core.sweep.run();
  expect(await offsetOf(upload)).toBe(404);
});

test('a clock that goes back and forth makes nothing older', async () => {
  const upload = await world.upload(Buffer.from('kept'));
  for (const jump of [-400, 400, 30, -30]) {
    world.clock.jump(jump * day);
    await world.core.sweep.run();
  }
  expect(await offsetOf(upload)).toBe(200);
});

test('objects expire by days that passed, and by a date once a jump has been there for a day', async () => {
  const s3 = await s3Client(world);
  const until = new Date(Math.floor(world.clock.now() / day + 30) * day);
  for (const [Bucket, Expiration] of [
    ['by-days', { Days: 10 }],
    ['by-date', { Date: until }],
  ] as const) {
    await s3.send(new CreateBucketCommand({ Bucket }));
    await s3.send(
      new PutBucketLifecycleConfigurationCommand({
        Bucket,
        LifecycleConfiguration: { Rules: [{ Status: 'Enabled', Filter: { Prefix: '' }, Expiration }] },
      }),
    );
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }));
  }
  const there = async (): Promise<boolean[]> =>
    Promise.all(
      ['by-days', 'by-date'].map(async (bucket) => (await world.core.objects.peek(bucket, 'k')) !== undefined),
    );
  expect((await s3.send(new GetObjectCommand({ Bucket: 'by-days', Key: 'k' }))).ContentLength).toBe(1);
  world.clock.jump(400 * day);
  await runLifecycle(world.core, { day });
  expect(await there()).toEqual([true, true]);
  world.clock.move(9 * day);
  await runLifecycle(world.core, { day });
  expect(await there()).toEqual([true, false]);
  world.clock.move(2 * day);
  await runLifecycle(world.core, { day });
  expect(await there()).toEqual([false, false]);
});
