/** A request whose namespace is deleted, and created again by another owner, while the request runs. */
import { askerOf, system, type Ask } from '../support/races.ts';
import { openWorld, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const as = 'same';
type Answer = Promise<{ readonly status: number }>;

/** Requests, and the core's method that writes for each of them. */
const requests: readonly [method: string, request: (s3: Ask) => Answer][] = [
  [
    'namespaces.putKey',
    () =>
      world.ask('POST', `/auth/namespaces/${as}/keys`, { as, json: { key_name: 'mine', key: 'of the former one' } }),
  ],
  [
    'accessKeys.create',
    () => world.ask('POST', '/api/storage/keys', { as, json: { name: 'mine', permissions: { read: true } } }),
  ],
  ['uploads.begin', () => world.ask('POST', '/upload', { as })],
  ['buckets.create', (s3) => s3('PUT', '/of-the-former')],
  [
    'events.setMetadata',
    () => world.ask('POST', `/auth/namespaces/${as}/metadata`, { as, json: { key: 'mine', value: 'v' } }),
  ],
  [
    'namespaces.trust',
    () => world.ask('POST', `/auth/namespaces/${as}/trust`, { as, json: { external_namespace: 'other' } }),
  ],
];

test.each(requests)('%s of a deleted namespace adds nothing to the next one of its name', async (path, send) => {
  const { core } = world;
  if (!(await core.namespaces.list(system, { after: null, limit: 10 })).some(({ name }) => name === 'other'))
    await world.addNamespace('other');
  await world.addNamespace(as);
  const s3 = askerOf(world, await world.accessKey(as));
  const [noun, method] = path.split('.') as ['uploads', 'begin'];
  const [service, real] = [core[noun], core[noun][method]];
  service[method] = async (...args) => {
    service[method] = real;
    await core.namespaces.remove(system, as);
    await core.namespaces.create(system, as);
    return real.apply(service, args);
  };
  const { status } = await send(s3);
  expect({ refused: status >= 400 && status < 500, status }).toMatchObject({ refused: true });
  const next = { namespace: as, credential: 'test' };
  const page = { after: null, limit: 10 };
  expect({
    keys: await core.namespaces.keys(system, as),
    accessKeys: await core.accessKeys.list(next, page),
    uploads: await core.uploads.list(next, page),
    buckets: (await core.buckets.list(next, page)).buckets,
    metadata: await core.events.metadata('namespace', as),
    trusts: (await core.namespaces.get(system, as)).trusts,
  }).toEqual({ keys: [], accessKeys: [], uploads: [], buckets: [], metadata: {}, trusts: [] });
  await core.namespaces.remove(system, as);
});
