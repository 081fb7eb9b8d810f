/** Multipart objects consist of the parts that the completion lists, whatever happens concurrently. */
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Multipart, Part, Principal } from '../../src/catalog/model.ts';
import { bodyOf } from '../support/body.ts';
import { collect } from '../contract/bytes.ts';
import { openWorld, type World } from '../support/world.ts';

const who: Principal = { namespace: 'system', credential: 'test' };
const MiB = 1024 * 1024;
let world: World;
let count = 0;

beforeAll(async () => {
  world = await openWorld();
  await world.core.buckets.create(who, 'bucket');
});
afterAll(() => world.close());

const facts = { etag: 'etag', about: '{}' };
const allowed = () => world.core.buckets.allow(who, 'bucket', 'write');

async function begin(bodies: readonly Buffer[]): Promise<Multipart> {
  count += 1;
  const multipart = await world.core.multipart.begin(await allowed(), `key ${count}`, '{}');
  for (const [n, body] of bodies.entries()) await put(multipart, n + 1, body);
  return multipart;
}

const put = async (multipart: Multipart, number: number, body: Buffer) =>
  (await world.core.multipart.receive(await allowed(), multipart, number, bodyOf(body), [])).keep(facts);

async function complete(multipart: Multipart, parts: readonly Part[], conditions = {}): Promise<unknown> {
  return world.core.multipart.complete(
    await allowed(),
    multipart,
    parts,
    { key: multipart.key, conditions },
    facts,
    () => 'done',
  );
}

const partsOf = (multipart: Multipart, upTo = 10) => world.core.multipart.parts(multipart, 0, upTo);

async function stored(key: string): Promise<Buffer> {
  const object = await world.core.objects.peek('bucket', key);
  const reader = await world.core.objects.open(await world.core.blobs.get(who, object!.content!.blob));
  return collect(reader.read(0, reader.size)).finally(() => reader.close());
}

test.each([
  ['again, as long', 2, 12 * MiB],
  ['again, of another size', 2, 5 * MiB],
  ['one more', 4, 1 * MiB],
])('a part that comes late, %s, changes nothing', async (_, number, size) => {
  const bodies = [randomBytes(12 * MiB), randomBytes(12 * MiB), randomBytes(12 * MiB)];
  const multipart = await begin(bodies);
  const ending = complete(multipart, await partsOf(multipart));
  const [ended] = await Promise.allSettled([ending, put(multipart, number, randomBytes(size))]);
  // It may have come before the end took hold of the part that it replaces.
  if (ended.status === 'rejected') {
    expect(ended.reason).toMatchObject({ reason: 'part_replaced' });
    expect(await world.core.objects.peek('bucket', multipart.key)).toBeUndefined();
    return;
  }
  expect((await stored(multipart.key)).equals(Buffer.concat(bodies))).toBe(true);
});

test('a part that was sent again, of another size, takes the place of the first', async () => {
  const bodies = [randomBytes(8 * MiB), randomBytes(8 * MiB), randomBytes(8 * MiB)];
  const multipart = await begin(bodies);
  const anew = randomBytes(5 * MiB);
  await put(multipart, 2, anew);
  await complete(multipart, await partsOf(multipart));
  expect((await stored(multipart.key)).equals(Buffer.concat([bodies[0]!, anew, bodies[2]!]))).toBe(true);
});

test('of two ends that name other parts, each is of its own or of none', async () => {
  const bodies = [randomBytes(6 * MiB), randomBytes(6 * MiB), randomBytes(6 * MiB)];
  const multipart = await begin(bodies);
  const never = { match: ['no such tag'] };
  const [refused, ended] = await Promise.allSettled([
    complete(multipart, await partsOf(multipart), never),
    complete(multipart, await partsOf(multipart, 2)),
  ]);
  expect(refused.status).toBe('rejected');
  if (ended.status === 'rejected') await complete(multipart, await partsOf(multipart, 2));
  expect((await stored(multipart.key)).equals(Buffer.concat(bodies.slice(0, 2)))).toBe(true);
});

test('an end that was refused, and refused with other parts, can still be reached', async () => {
  const bodies = [randomBytes(6 * MiB), randomBytes(6 * MiB), randomBytes(1 * MiB)];
  const multipart = await begin(bodies);
  const never = { match: ['no such tag'] };
  await expect(complete(multipart, await partsOf(multipart), never)).rejects.toMatchObject({ reason: 'no_object' });
  await expect(complete(multipart, await partsOf(multipart, 2), never)).rejects.toMatchObject({
    reason: 'no_object',
  });
  await complete(multipart, await partsOf(multipart));
  expect((await stored(multipart.key)).equals(Buffer.concat(bodies))).toBe(true);
});

test('an end and an abort at once both come to an answer', async () => {
  for (let n = 0; n < 3; n += 1) {
    const multipart = await begin([randomBytes(12 * MiB), randomBytes(12 * MiB)]);
    const parts = await partsOf(multipart);
    const ended = complete(multipart, parts).then(
      () => 'ended',
      () => 'refused',
    );
    const aborted = allowed()
      .then((right) => world.core.multipart.abort(right, multipart))
      .then(
        () => 'aborted',
        () => 'refused',
      );
    expect(['ended', 'refused']).toContain(await ended);
    expect(['aborted', 'refused']).toContain(await aborted);
  }
}, 60_000);

test('an object that the quota refuses leaves no bytes', async () => {
  await world.core.namespaces.create(who, 'poor');
  const poor: Principal = { namespace: 'poor', credential: 'test' };
  await world.core.buckets.create(poor, 'poorhouse');
  await world.core.usage.setLimits(who, 'poor', { quota: 1000, allowance: null });
  const files = async (): Promise<number> =>
    (await readdir(join(world.folder, 'blobs'), { recursive: true })).filter((name) => name.includes('.')).length;
  const before = await files();
  const right = await world.core.buckets.allow(poor, 'poorhouse', 'write');
  const request = { key: 'k', conditions: {} };
  const received = await world.core.objects.receive(right, request, bodyOf(randomBytes(100_000)), []);
  await expect(received.keep(facts)).rejects.toMatchObject({ reason: 'over_quota' });
  await received.drop();
  expect(await files()).toBe(before);
});
