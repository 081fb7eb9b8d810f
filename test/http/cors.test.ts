/** CORS responses. */
import { openWorld, type World } from '../support/world.ts';

const worlds: World[] = [];
afterAll(() => Promise.all(worlds.map((world) => world.close())));

async function open(origins?: string): Promise<World> {
  const world = await openWorld(origins === undefined ? {} : { env: { STOWAGE_CORS_ORIGINS: origins } });
  worlds.push(world);
  return world;
}

const preflight = {
  Origin: 'https://ci.example.org',
  'Access-Control-Request-Method': 'POST',
  'Access-Control-Request-Headers': 'authorization,upload-offset',
};
const origin = { Origin: 'https://ci.example.org' };

test('any origin may ask, send what it says, and read what a client needs', async () => {
  const world = await open();
  const asked = await world.ask('OPTIONS', '/upload', { as: null, headers: preflight });
  expect(asked.status).toBe(204);
  expect(asked.headers.get('access-control-allow-origin')).toBe('*');
  expect(asked.headers.get('access-control-allow-headers')).toBe('authorization,upload-offset');
  expect(asked.headers.get('access-control-allow-methods')).toContain('POST');
  expect(asked.headers.get('access-control-allow-credentials')).toBeNull();
  const begun = await world.ask('POST', '/upload', { headers: origin });
  expect(begun.headers.get('access-control-allow-origin')).toBe('*');
  expect(begun.headers.get('access-control-expose-headers')).toContain('Upload-Offset');
});

test('a refusal can be read too', async () => {
  const world = await open();
  const refused = await world.ask('GET', '/upload', { as: null, headers: origin });
  expect({
    status: refused.status,
    'access-control-allow-origin': refused.headers.get('access-control-allow-origin'),
  }).toEqual({ status: 401, 'access-control-allow-origin': '*' });
});

test('whoever is not a page is told nothing of it', async () => {
  const world = await open();
  const answer = await world.ask('GET', '/upload');
  expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
  expect((await world.ask('OPTIONS', '/upload', { as: null })).headers.get('allow')).toContain('POST');
});

test('where origins are listed, others get nothing, and caches know', async () => {
  const world = await open('https://ci.example.org, http://localhost:8080');
  const known = await world.ask('GET', '/upload', { headers: origin });
  expect({
    'access-control-allow-origin': known.headers.get('access-control-allow-origin'),
    vary: known.headers.get('vary'),
  }).toEqual({ 'access-control-allow-origin': 'https://ci.example.org', vary: 'Origin' });
  const strange = await world.ask('OPTIONS', '/upload', {
    as: null,
    headers: { ...preflight, Origin: 'https://evil.example.org' },
  });
  expect({
    'access-control-allow-origin': strange.headers.get('access-control-allow-origin'),
    'access-control-allow-methods': strange.headers.get('access-control-allow-methods'),
  }).toEqual({ 'access-control-allow-origin': null, 'access-control-allow-methods': null });
});

test('with CORS off no header of it is sent', async () => {
  const world = await open('off');
  expect(
    (await world.ask('GET', '/upload', { headers: origin })).headers.get('access-control-allow-origin'),
  ).toBeNull();
});
