/** Bodies of operations that take none, and refused plain uploads: errors have the format of the called API. */
import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { adminKey, env } from '../support/releasy.ts';
import { whole } from '../support/requests.ts';
import { openWorld, type Answered, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => void (world = await openWorld({ env })));
afterAll(() => world.close());

const uploads = async (): Promise<number> => (await world.get<unknown[]>('GET', '/upload')).length;

describe('an operation without a request body', () => {
  test.each(['', ' \r\n', '{}', ' { } ', 'null'])('takes %j, which says nothing', async (body) => {
    expect((await world.ask('POST', '/upload', { body })).status).toBe(200);
  });

  test.each(['{"size":1}', '[]', '[{}]', '0', '""', 'false', 'size=1', '{', '\u0000'])('refuses %j', async (body) => {
    const before = await uploads();
    const answer = await world.ask('POST', '/upload', { body });
    expect({ status: answer.status, body: answer.json() }).toEqual({
      status: 400,
      body: { error: 'this operation takes no request body', status: 400, code: 'malformed' },
    });
    expect(await uploads()).toBe(before);
  });

  test('refuses bytes that are no text', async () => {
    expect((await world.ask('POST', '/upload', { body: Buffer.from([0xff, 0xfe]) })).status).toBe(400);
  });

  test('refuses a body of more than 100 KiB as too large', async () => {
    expect((await world.ask('POST', '/upload', { body: ' '.repeat(100 * 1024 + 1) })).status).toBe(413);
  });

  test('refuses one with GET and DELETE too, and changes nothing', async () => {
    const upload = await world.upload(Buffer.from('text'));
    const json = { all: true };
    expect((await world.ask('DELETE', `/upload/${upload}`, { json })).status).toBe(400);
    expect(await sendGet(`/upload/${upload}`, JSON.stringify(json))).toBe(400);
    expect(await sendGet(`/upload/${upload}`, '{}')).toBe(200);
  });

  test('refuses one in the form of the face', async () => {
    const headers = { 'x-releasy-admin-key': adminKey };
    const answer = await world.ask('POST', `/v1/releases/${randomUUID()}/publish`, {
      as: null,
      headers,
      json: { all: true },
    });
    const error = { code: 'bad_request', message: 'this operation takes no request body' };
    expect({ status: answer.status, body: answer.json() }).toEqual({ status: 400, body: { error } });
  });
});

/** A GET with a body, which `fetch` does not send. */
async function sendGet(path: string, body: string): Promise<number | undefined> {
  const headers = { Authorization: `Bearer ${await world.token('system')}`, 'Content-Length': Buffer.byteLength(body) };
  const asked = request(`${world.url}${path}`, { method: 'GET', headers, agent: false }).end(body);
  return new Promise((resolve, reject) => {
    asked.on('error', reject);
    asked.on('response', (answer) => void whole(answer).then(() => resolve(answer.statusCode), reject));
  });
}

describe('a plain upload to a name', () => {
  const shape = (answer: Answered): unknown => [answer.status, answer.headers.get('content-type'), answer.json()];
  const json = 'application/json; charset=utf-8';

  test.each([
    ['without credentials', { as: null }, 401, 'unauthenticated'],
    ['with a digest of other bytes', { headers: { 'Content-Digest': `sha-256=:${'A'.repeat(43)}=:` } }, 400],
    ['with a length that is not its own', { headers: { 'Upload-Length': '9' } }, 400, 'malformed'],
    ['with a length that is no number', { headers: { 'Upload-Length': 'long' } }, 400, 'malformed'],
    ['larger than an upload may be', { headers: { 'Upload-Length': '999999999999999' } }, 400, 'malformed'],
  ] as const)(
    '%s is refused in the form of the API',
    async (_, asked, status, code: string | undefined = undefined) => {
      for (const method of ['PUT', 'POST']) {
        const answer = await world.ask(method, '/artifacts/plain/data', { body: 'text', ...asked });
        const said = { error: expect.any(String), status, code: code ?? expect.any(String) };
        expect(shape(answer)).toEqual([status, json, expect.objectContaining(said)]);
      }
    },
  );

  test('of the draft is refused with a problem document', async () => {
    const headers = { 'Upload-Complete': '?1', 'Upload-Length': '9' };
    const answer = await world.ask('PUT', '/artifacts/plain/data', { body: 'text', headers });
    expect(shape(answer)).toEqual([400, 'application/problem+json', expect.objectContaining({ status: 400 })]);
  });
});
