/** Capabilities: uploads of a page with a URL and without a key. */
import { openWorld, type Answered, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await openWorld();
  await world.addNamespace('shop');
});
afterAll(() => world.close());

interface Granted {
  readonly upload_uuid: string;
  readonly capability: string;
  readonly tus: string;
  readonly put: string;
  readonly max_size: number;
  readonly expires_at: number;
}

const tus = { 'Tus-Resumable': '1.0.0' };
const chunk = { ...tus, 'Content-Type': 'application/offset+octet-stream' };
const part = { 'Content-Type': 'application/partial-upload' };

const grant = (json: Record<string, unknown>): Promise<Granted> =>
  world.get<Granted>('POST', '/capabilities', { as: 'shop', json });
const asPage = (method: string, path: string, headers: Record<string, string>, body?: string): Promise<Answered> =>
  world.ask(method, path, { as: null, headers, ...(body === undefined ? {} : { body }) });
const create = (path: string, length: number, headers: Record<string, string> = {}): Promise<Answered> =>
  asPage('POST', path, { ...tus, 'Upload-Length': String(length), ...headers });
const stored = async (name: string): Promise<string> =>
  (await world.ask('GET', `/artifacts/${name}/data`, { as: 'shop' })).bytes.toString();

test("a page uploads by tus, and the artifact is the granter's", async () => {
  const granted = await grant({ artifact: 'photo.jpg', max_size: 10 });
  const created = await create(granted.tus, 6);
  expect(created.status).toBe(201);
  const path = created.headers.get('location')!;
  expect(path).toBe(`/tus/${granted.upload_uuid}?capability=${granted.capability}`);
  expect((await asPage('PATCH', path, { ...chunk, 'Upload-Offset': '0' }, 'abc')).status).toBe(204);
  expect((await asPage('HEAD', path, tus)).headers.get('upload-offset')).toBe('3');
  expect(
    (await asPage('PATCH', path, { ...chunk, 'Upload-Offset': '3' }, 'def')).headers.get('x-artifact-version'),
  ).toBe('1');
  expect(await stored('photo.jpg')).toBe('abcdef');
});

test('a page uploads by the draft, in one request or in several', async () => {
  const once = await grant({ artifact: 'one request' });
  expect((await asPage('PUT', once.put, {}, 'all of it')).status).toBe(201);
  expect(await stored('one%20request')).toBe('all of it');
  const often = await grant({ artifact: 'several' });
  const path = (await asPage('POST', often.put, { 'Upload-Complete': '?0' }, 'abc')).headers.get('location')!;
  for (const method of ['HEAD', 'GET']) expect((await asPage(method, path, {})).headers.get('upload-offset')).toBe('3');
  expect((await asPage('PATCH', path, { ...part, 'Upload-Offset': '3', 'Upload-Complete': '?1' }, 'def')).status).toBe(
    200,
  );
  expect(await stored('several')).toBe('abcdef');
});

test('a capability is for one upload: created again it is the same one, and completed it is used up', async () => {
  const { tus: path, upload_uuid: id } = await grant({ artifact: 'once' });
  const first = await create(path, 3);
  const again = await create(path, 3);
  expect(again.headers.get('location')).toBe(first.headers.get('location'));
  await asPage('PATCH', first.headers.get('location')!, { ...chunk, 'Upload-Offset': '0' }, 'abc');
  expect((await create(path, 3)).status).toBe(409);
  const dropped = await grant({ artifact: 'dropped' });
  const place = (await create(dropped.tus, 3)).headers.get('location')!;
  expect((await asPage('DELETE', place, tus)).status).toBe(204);
  expect((await create(dropped.tus, 3)).status).toBe(409);
  expect((await world.get<{ index: number }>('GET', '/artifacts/once', { as: 'shop' })).index).toBe(1);
  expect(id).toBe((await world.get<{ uuid: string }>('GET', `/upload/${id}`, { as: 'shop' })).uuid);
});

test('a capability limits the size of the upload', async () => {
  const { tus: path, max_size: size } = await grant({ artifact: 'small', max_size: 5 });
  expect(size).toBe(5);
  expect((await create(path, 6)).status).toBe(413);
  const place = (await asPage('POST', path, { ...tus, 'Upload-Defer-Length': '1' })).headers.get('location')!;
  expect((await asPage('PATCH', place, { ...chunk, 'Upload-Offset': '0' }, 'abcdef')).status).toBe(413);
  expect((await asPage('PATCH', place, { ...chunk, 'Upload-Offset': '0', 'Upload-Length': '6' }, 'abc')).status).toBe(
    413,
  );
  expect((await asPage('PATCH', place, { ...chunk, 'Upload-Offset': '0', 'Upload-Length': '5' }, 'abcde')).status).toBe(
    204,
  );
  expect((await asPage('PUT', (await grant({ artifact: 'small', max_size: 5 })).put, {}, 'abcdef')).status).toBe(413);
});

test('a capability limits the type of the upload', async () => {
  const typed = await grant({ artifact: 'picture', type: 'image/*' });
  const said = (type: string): Record<string, string> => ({
    'Upload-Metadata': `filetype ${Buffer.from(type).toString('base64')}`,
  });
  expect((await create(typed.tus, 3, said('text/html'))).status).toBe(403);
  expect((await create(typed.tus, 3)).status).toBe(403);
  expect((await create(typed.tus, 3, said('image/png'))).status).toBe(201);
  const exact = await grant({ artifact: 'page', type: 'text/plain' });
  expect((await asPage('PUT', exact.put, { 'Content-Type': 'text/html' }, 'x')).status).toBe(403);
  expect((await asPage('PUT', exact.put, { 'Content-Type': 'text/plain; charset=utf-8' }, 'x')).status).toBe(201);
});

test('a capability opens nothing but its upload', async () => {
  const granted = await grant({ artifact: 'mine' });
  const other = await world.upload(Buffer.from('abc'), 'shop');
  const query = `?capability=${granted.capability}`;
  expect((await asPage('HEAD', `/tus/${other}${query}`, tus)).status).toBe(403);
  expect(
    (await asPage('PATCH', `/upload/${other}${query}`, { ...part, 'Upload-Offset': '3', 'Upload-Complete': '?1' }, 'x'))
      .status,
  ).toBe(403);
  for (const method of ['HEAD', 'GET', 'DELETE'])
    expect((await asPage(method, `/upload/${other}${query}`, {})).status).toBe(403);
  expect((await asPage('PUT', `/artifacts/other/data${query}`, {}, 'x')).status).toBe(403);
  expect((await asPage('POST', `/tus${query}`, { ...tus, 'Upload-Concat': `final;/tus/${other}` })).status).toBe(403);
  for (const [method, path] of [
    ['GET', '/artifacts'],
    ['GET', '/artifacts/mine/data'],
    ['POST', '/upload'],
    ['GET', '/auth/namespaces'],
  ] as const) {
    expect((await asPage(method, `${path}${query}`, {})).status).toBe(401);
    expect((await asPage(method, path, { Authorization: `Bearer ${granted.capability}` })).status).toBe(401);
  }
  expect(
    (
      await asPage(
        'POST',
        '/capabilities',
        { Authorization: `Bearer ${granted.capability}`, 'Content-Type': 'application/json' },
        '{"artifact":"more"}',
      )
    ).status,
  ).toBe(401);
  // A token is no capability: in a URL it would end up in logs.
  expect((await create(`/tus?capability=${await world.token('shop')}`, 3)).status).toBe(401);
});

test('what metadata says does not move it elsewhere', async () => {
  const { tus: path } = await grant({ artifact: 'bound' });
  const said = `artifact ${Buffer.from('elsewhere').toString('base64')},namespace ${Buffer.from('system').toString('base64')}`;
  const place = (await create(path, 3, { 'Upload-Metadata': said })).headers.get('location')!;
  await asPage('PATCH', place, { ...chunk, 'Upload-Offset': '0' }, 'abc');
  expect(await stored('bound')).toBe('abc');
  expect((await world.ask('GET', '/artifacts/elsewhere')).status).toBe(404);
});

test("a capability does not show whether the issuer's namespace has the bytes", async () => {
  const { sha512 } = await world.push('secret', Buffer.from('a secret'), { as: 'shop' });
  const { put } = await grant({ artifact: 'probe' });
  const digest = `sha-512=:${Buffer.from(sha512, 'hex').toString('base64')}:`;
  expect(
    (await asPage('POST', put, { 'Upload-Complete': '?0', 'Repr-Digest': digest })).headers.get('upload-complete'),
  ).toBe('?0');
});

test('a capability ends with its time, and with the key that issued it', async () => {
  const brief = await grant({ artifact: 'brief', lifetime: 60 });
  world.clock.move(61_000);
  expect((await create(brief.tus, 3)).status).toBe(401);
  const { tus: path } = await grant({ artifact: 'revoked' });
  await world.get('DELETE', '/auth/namespaces/shop/keys/first');
  expect((await create(path, 3)).status).toBe(401);
});

test('what is asked for must make sense', async () => {
  for (const json of [
    {},
    { artifact: '' },
    { artifact: 'x', lifetime: 0 },
    { artifact: 'x', lifetime: 604_801 },
    { artifact: 'x', max_size: -1 },
    { artifact: 'x', type: 'image' },
    { artifact: 'x', more: 1 },
  ]) {
    expect((await world.ask('POST', '/capabilities', { json })).status).toBe(400);
  }
  expect((await world.ask('POST', '/capabilities', { as: null, json: { artifact: 'x' } })).status).toBe(401);
});
