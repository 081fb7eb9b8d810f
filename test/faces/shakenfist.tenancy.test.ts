/** Access rights: a matrix of routes and callers. */
import { createHash } from 'node:crypto';
import { newId } from '../../src/kit/ids.ts';
import { openWorld, type ArtifactView, type Asked, type World } from '../support/world.ts';

let world: World;
/** What `owner` has: an artifact with one version, and an upload. `friend` is trusted by it; `stranger` is not. */
let artifact: ArtifactView;
let upload: string;
let counter = 0;

beforeAll(async () => {
  world = await openWorld();
  for (const name of ['owner', 'friend', 'stranger']) await world.addNamespace(name);
  await world.get('POST', '/auth/namespaces/owner/trust', { as: 'owner', json: { external_namespace: 'friend' } });
});
afterAll(() => world.close());

beforeEach(async () => {
  counter += 1;
  artifact = await world.push(`thing-${counter}`, Buffer.from(`content ${counter}`), { as: 'owner' });
  upload = await world.upload(Buffer.from('bytes'), 'owner');
});

const hash = (): string => createHash('sha512').update(`content ${counter}`).digest('hex');
type Row = readonly [
  title: string,
  method: string,
  path: () => string,
  asked: () => Asked,
  friend: number,
  stranger: number,
];

const see: readonly Row[] = [
  ['show', 'GET', () => `/artifacts/${artifact.uuid}`, () => ({}), 200, 404],
  ['versions', 'GET', () => `/artifacts/${artifact.uuid}/versions`, () => ({}), 200, 404],
  ['events', 'GET', () => `/artifacts/${artifact.uuid}/events`, () => ({}), 200, 404],
  ['data', 'GET', () => `/artifacts/${artifact.uuid}/data`, () => ({}), 200, 404],
  ['data of a version', 'GET', () => `/artifacts/${artifact.uuid}/versions/1/data`, () => ({}), 200, 404],
  ['blob', 'GET', () => `/blobs/${artifact.blob_uuid}`, () => ({}), 200, 404],
  ['data of the blob', 'GET', () => `/blobs/${artifact.blob_uuid}/data`, () => ({}), 200, 404],
  ['checksum of the blob', 'GET', () => `/blobs/${artifact.blob_uuid}/checksum/md5`, () => ({}), 200, 404],
  ['events of the blob', 'GET', () => `/blobs/${artifact.blob_uuid}/events`, () => ({}), 200, 404],
  ['metadata of the blob', 'GET', () => `/blobs/${artifact.blob_uuid}/metadata`, () => ({}), 200, 404],
  [
    'adopting the blob',
    'POST',
    () => '/artifacts/upload/mine',
    () => ({ json: { blob_uuid: artifact.blob_uuid } }),
    200,
    404,
  ],
  ['labelling the blob', 'POST', () => '/label/mine', () => ({ json: { blob_uuid: artifact.blob_uuid } }), 200, 404],
  ['namespace', 'GET', () => '/auth/namespaces/owner', () => ({}), 200, 404],
  ['names of keys', 'GET', () => '/auth/namespaces/owner/keys', () => ({}), 200, 404],
];

const change: readonly Row[] = [
  ['deleting', 'DELETE', () => `/artifacts/${artifact.uuid}`, () => ({}), 404, 404],
  ['deleting a version', 'DELETE', () => `/artifacts/${artifact.uuid}/versions/1`, () => ({}), 404, 404],
  [
    'max versions',
    'POST',
    () => `/artifacts/${artifact.uuid}/versions`,
    () => ({ json: { max_versions: 1 } }),
    404,
    404,
  ],
  ['sharing', 'POST', () => `/artifacts/${artifact.uuid}/share`, () => ({}), 404, 404],
  ['reading metadata', 'GET', () => `/artifacts/${artifact.uuid}/metadata`, () => ({}), 404, 404],
  [
    'writing metadata',
    'PUT',
    () => `/artifacts/${artifact.uuid}/metadata/k`,
    () => ({ json: { value: 'v' } }),
    404,
    404,
  ],
  [
    'writing metadata by the other name',
    'PUT',
    () => `/instances/${artifact.uuid}/metadata/k`,
    () => ({ json: { value: 'v' } }),
    404,
    404,
  ],
  [
    'writing on the blob',
    'PUT',
    () => `/blobs/${artifact.blob_uuid}/metadata/k`,
    () => ({ json: { value: 'v' } }),
    403,
    404,
  ],
  ['looking at the upload', 'GET', () => `/upload/${upload}`, () => ({}), 404, 404],
  ['fencing the upload', 'HEAD', () => `/upload/${upload}`, () => ({}), 404, 404],
  ['appending', 'POST', () => `/upload/${upload}`, () => ({ body: 'x' }), 404, 404],
  ['truncating', 'POST', () => `/upload/${upload}/truncate/0`, () => ({}), 404, 404],
  ['dropping', 'DELETE', () => `/upload/${upload}`, () => ({}), 404, 404],
  ['converting', 'POST', () => '/artifacts/upload/stolen', () => ({ json: { upload_uuid: upload } }), 404, 404],
  [
    'deleting everything',
    'DELETE',
    () => '/artifacts',
    () => ({ json: { confirm: true, namespace: 'owner' } }),
    401,
    401,
  ],
  [
    'minting a key',
    'POST',
    () => '/auth/namespaces/owner/keys',
    () => ({ json: { key_name: 'k', key: 'mine' } }),
    403,
    404,
  ],
  ['removing a key', 'DELETE', () => '/auth/namespaces/owner/keys/first', () => ({}), 403, 404],
  [
    'widening the trust',
    'POST',
    () => '/auth/namespaces/owner/trust',
    () => ({ json: { external_namespace: 'stranger' } }),
    403,
    404,
  ],
];

describe.each(['friend', 'stranger'] as const)('a %s', (who) => {
  test.each([...see, ...change])('%s', async (_title, method, path, asked, friend, stranger) => {
    const answer = await world.ask(method, path(), { ...asked(), as: who });
    expect(answer.status).toBe(who === 'friend' ? friend : stranger);
    // Nothing that was refused had an effect.
    expect(await world.get('GET', `/artifacts/${artifact.uuid}`, { as: 'owner' })).toMatchObject({
      state: 'created',
      index: 1,
    });
    expect(await world.get('GET', `/upload/${upload}`, { as: 'owner' })).toMatchObject({ state: 'created', size: 5 });
  });
});

describe("what is another's is told from what is nowhere by nothing", () => {
  test.each([
    ['GET', () => `/artifacts/${artifact.uuid}`, () => `/artifacts/${newId()}`],
    ['GET', () => `/blobs/${artifact.blob_uuid}`, () => `/blobs/${newId()}`],
    ['GET', () => `/upload/${upload}`, () => `/upload/${newId()}`],
    ['GET', () => `/blob_checksums/sha512/${hash()}`, () => `/blob_checksums/sha512/${'0'.repeat(128)}`],
    ['GET', () => '/auth/namespaces/owner', () => '/auth/namespaces/nowhere'],
  ])('%s %#', async (method, there, nowhere) => {
    const [real, unreal] = [
      await world.ask(method, there(), { as: 'stranger' }),
      await world.ask(method, nowhere(), { as: 'stranger' }),
    ];
    expect({ status: real.status, text: real.bytes.toString() }).toEqual({
      status: unreal.status,
      text: unreal.bytes.toString(),
    });
    const names = (answer: typeof real): string[] => [...answer.headers.keys()].sort();
    expect(names(real)).toEqual(names(unreal));
  });
});

test('listings show what can be seen and nothing else', async () => {
  const seenBy = async (who: string): Promise<boolean> =>
    (await world.get<ArtifactView[]>('GET', '/artifacts', { as: who })).some(({ uuid }) => uuid === artifact.uuid);
  expect({
    'seenBy owner': await seenBy('owner'),
    'seenBy friend': await seenBy('friend'),
    'seenBy stranger': await seenBy('stranger'),
    'seenBy system': await seenBy('system'),
  }).toEqual({ 'seenBy owner': true, 'seenBy friend': true, 'seenBy stranger': false, 'seenBy system': true });
  expect(await world.get<{ uuid: string }[]>('GET', '/upload', { as: 'stranger' })).toEqual([]);
  expect(
    (await world.get<{ name: string }[]>('GET', '/auth/namespaces', { as: 'friend' })).map(({ name }) => name),
  ).toEqual(['friend', 'owner']);
  expect(
    (await world.get<{ name: string }[]>('GET', '/auth/namespaces', { as: 'stranger' })).map(({ name }) => name),
  ).toEqual(['stranger']);
});

test('a shared artifact is seen by all, and its bytes with it, until it is not', async () => {
  const shared = await world.push('for-all', Buffer.from('for all'), { json: { shared: true } });
  expect(shared.shared).toBe(true);
  expect((await world.ask('GET', `/artifacts/${shared.uuid}/data`, { as: 'stranger' })).bytes.toString()).toBe(
    'for all',
  );
  expect((await world.ask('GET', `/blobs/${shared.blob_uuid}/data`, { as: 'stranger' })).status).toBe(200);
  expect((await world.ask('DELETE', `/artifacts/${shared.uuid}`, { as: 'stranger' })).status).toBe(404);
  await world.get('POST', `/artifacts/${shared.uuid}/unshare`);
  expect((await world.ask('GET', `/artifacts/${shared.uuid}`, { as: 'stranger' })).status).toBe(404);
  expect((await world.ask('GET', `/blobs/${shared.blob_uuid}/data`, { as: 'stranger' })).status).toBe(404);
});

test('a friend may give something new, and push nothing into what is there', async () => {
  const gift = await world.push('gift', Buffer.from('a gift'), { as: 'friend', json: { namespace: 'owner' } });
  expect(gift).toMatchObject({ namespace: 'owner', source_url: 'sf://upload/owner/gift' });
  const second = await world.upload(Buffer.from('not a gift'), 'friend');
  const answer = await world.ask('POST', '/artifacts/upload/gift', {
    as: 'friend',
    json: { upload_uuid: second, namespace: 'owner' },
  });
  expect(answer.json()).toMatchObject({ status: 403, code: 'forbidden' });
  expect(await world.get('GET', `/upload/${second}`, { as: 'friend' })).toMatchObject({ state: 'created', size: 10 });
});

test('the same bytes in two namespaces are two blobs, and deleting one takes nothing from the other', async () => {
  const mine = await world.push('same', Buffer.from(`content ${counter}`), { as: 'stranger' });
  expect(mine.sha512).toBe(artifact.sha512);
  expect(mine.blob_uuid).not.toBe(artifact.blob_uuid);
  await world.get('DELETE', `/artifacts/${artifact.uuid}`, { as: 'owner' });
  expect((await world.ask('GET', `/artifacts/${mine.uuid}/data`, { as: 'stranger' })).status).toBe(200);
  expect((await world.ask('GET', `/blobs/${artifact.blob_uuid}/data`, { as: 'owner' })).status).toBe(404);
});
