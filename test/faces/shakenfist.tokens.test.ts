/** Forged, expired and malformed tokens. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { RawConnection } from '../support/raw.ts';
import { openWorld, type World } from '../support/world.ts';

let world: World;
let secret: Uint8Array;
let nonce: string;

beforeAll(async () => {
  world = await openWorld();
  await world.addNamespace('builds');
  const kept = JSON.parse(await readFile(join(world.folder, 'node.json'), 'utf8')) as { secret: string };
  secret = Buffer.from(kept.secret, 'base64');
  nonce = claimsOf(await world.token())['nonce'] as string;
});
afterAll(() => world.close());

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as Record<string, unknown>;
}

const now = (): number => Math.floor(Date.now() / 1000);
const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** The claims of a good token, changed. */
function claims(change: Record<string, unknown> = {}): Record<string, unknown> {
  return { sub: ['system', 'default'], nonce, iss: 'testnode', iat: now(), exp: now() + 900, ...change };
}

function sign(
  payload: Record<string, unknown>,
  key: Uint8Array = secret,
  header: Record<string, unknown> = {},
): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg: 'HS256', ...header }).sign(key);
}

async function statusOf(authorization: string): Promise<number> {
  const answer = await world.ask('GET', '/upload', { as: null, headers: { Authorization: authorization } });
  if (answer.status === 401) expect(answer.json()).toMatchObject({ status: 401, code: 'unauthenticated' });
  return answer.status;
}

test('a token that the test signs as the server does is accepted, so the forged ones are refused for their fault', async () => {
  expect(await statusOf(`Bearer ${await sign(claims())}`)).toBe(200);
  expect(await statusOf(`bearer  ${await sign(claims())}`)).toBe(200);
});

const forgeries: readonly (readonly [string, () => string | Promise<string>])[] = [
  ['no algorithm', () => new UnsecuredJWT(claims()).encode()],
  ...['none', 'None', 'NONE', '', 'hs256', 'HS 256'].map(
    (alg) =>
      [
        `algorithm ${JSON.stringify(alg)}`,
        async () => {
          const [, payload, signature] = (await sign(claims())).split('.');
          return `${encoded({ alg })}.${payload}.${signature}`;
        },
      ] as const,
  ),
  [
    'no algorithm named',
    async () => `${encoded({ typ: 'JWT' })}.${(await sign(claims())).split('.').slice(1).join('.')}`,
  ],
  ['algorithm HS384 with the right secret', () => sign(claims(), secret, { alg: 'HS384' })],
  ['algorithm HS512 with the right secret', () => sign(claims(), secret, { alg: 'HS512' })],
  ['another secret', () => sign(claims(), Buffer.alloc(48, 1))],
  ['the secret of nothing', () => sign(claims(), Buffer.alloc(32))],
  [
    'an RSA key of its own',
    async () => {
      const { privateKey, publicKey } = await generateKeyPair('RS256');
      void publicKey;
      return new SignJWT(claims()).setProtectedHeader({ alg: 'RS256' }).sign(privateKey);
    },
  ],
  [
    'a key that it brings along',
    () => sign(claims(), Buffer.alloc(48, 1), { jwk: { kty: 'oct', k: Buffer.alloc(48, 1).toString('base64url') } }),
  ],
  ['a key to be found in a file', () => sign(claims(), Buffer.alloc(48, 1), { kid: '../../../../dev/null' })],
  [
    'an unknown critical extension',
    async () => {
      const signed = await sign(claims());
      return `${encoded({ alg: 'HS256', crit: ['x'], x: 1 })}.${signed.split('.').slice(1).join('.')}`;
    },
  ],
  [
    'a changed claim',
    async () => {
      const [head, , signature] = (await sign(claims({ sub: ['builds', 'first'] }))).split('.');
      return `${head}.${encoded(claims())}.${signature}`;
    },
  ],
  ['a changed signature', async () => (await sign(claims())).replace(/.{4}$/, 'AAAA')],
  ['no signature', async () => (await sign(claims())).replace(/[^.]*$/, '')],
  ['two parts', async () => (await sign(claims())).split('.').slice(0, 2).join('.')],
  ['five parts', async () => `${await sign(claims())}.a.b`],
  ['expired', () => sign(claims({ exp: now() - 1 }))],
  ['no expiry', () => sign(claims({ exp: undefined }))],
  ['an expiry that is a text', () => sign(claims({ exp: String(now() + 900) }))],
  [
    'an expiry without end',
    async () => {
      const payload = Buffer.from(JSON.stringify(claims()).replace(/"exp":\d+/, '"exp":1e400')).toString('base64url');
      const { createHmac } = await import('node:crypto');
      const head = encoded({ alg: 'HS256' });
      return `${head}.${payload}.${createHmac('sha256', secret).update(`${head}.${payload}`).digest('base64url')}`;
    },
  ],
  ['not yet good', () => sign(claims({ nbf: now() + 100 }))],
  ['another issuer', () => sign(claims({ iss: 'elsewhere' }))],
  ['no issuer', () => sign(claims({ iss: undefined }))],
  ['no nonce', () => sign(claims({ nonce: undefined }))],
  ['another nonce', () => sign(claims({ nonce: 'x' }))],
  ['a nonce that is a list', () => sign(claims({ nonce: [nonce] }))],
  ...[
    undefined,
    'system',
    ['system'],
    ['system', 'default', 'x'],
    [['system'], 'default'],
    { 0: 'system', 1: 'default', length: 2 },
    ['*', 'default'],
    ['system', '*'],
    ['system', 1],
    ['builds', 'default'],
    ['SYSTEM', 'default'],
    ['system ', 'default'],
    ['', ''],
    [null, null],
  ].map((sub) => [`subject ${JSON.stringify(sub)}`, () => sign(claims({ sub }))] as const),
  ['nothing', () => ''],
  ['dots', () => '..'],
  ['nonsense', () => 'a.b.c'],
  ['padding', async () => `${await sign(claims())}==`],
  ['a space inside', async () => (await sign(claims())).replace('.', '. ')],
];

test.each(forgeries)('%s', async (_title, forge) => {
  expect(await statusOf(`Bearer ${await forge()}`)).toBe(401);
});

test('other schemes, and several tokens at once', async () => {
  const good = await sign(claims());
  for (const header of [`Basic ${good}`, good, `Bearer ${good}, Bearer ${good}`, `Bearer ${good} x`, `Token ${good}`])
    expect(await statusOf(header)).toBe(401);
});

test('a token of 8 kB is refused, and a head of 1 MB is refused before it is read', async () => {
  expect(await statusOf(`Bearer ${'a'.repeat(4000)}.${'b'.repeat(4000)}.c`)).toBe(401);
  const connection = await RawConnection.open(world.url);
  connection.head('GET', '/upload', { Authorization: `Bearer ${'a'.repeat(1_000_000)}` });
  expect((await connection.answer()).status).toBe(431);
});

test('a token dies with its time', async () => {
  const token = await world.token('builds');
  expect(await statusOf(`Bearer ${token}`)).toBe(200);
  world.clock.move(880_000);
  expect(await statusOf(`Bearer ${token}`)).toBe(200);
  world.clock.move(21_000);
  expect(await statusOf(`Bearer ${token}`)).toBe(401);
  world.clock.move(-901_000);
  expect(await statusOf(`Bearer ${token}`)).toBe(200);
});

test('a token dies with its key, at once', async () => {
  const login = async (key: string): Promise<string> =>
    (await world.get<{ access_token: string }>('POST', '/auth', { as: null, json: { namespace: 'builds', key } }))
      .access_token;
  await world.get('POST', '/auth/namespaces/builds/keys', { json: { key_name: 'ci', key: 'first-key' } });
  const first = await login('first-key');
  expect(await statusOf(`Bearer ${first}`)).toBe(200);
  await world.get('PUT', '/auth/namespaces/builds/keys/ci', { json: { key: 'second-key' } });
  expect(await statusOf(`Bearer ${first}`)).toBe(401);
  const second = await login('second-key');
  await world.get('DELETE', '/auth/namespaces/builds/keys/ci');
  expect(await statusOf(`Bearer ${second}`)).toBe(401);
});

test('a token dies with its namespace, and does not rise with a new one of that name', async () => {
  await world.addNamespace('fleeting');
  const token = await world.token('fleeting');
  await world.get('DELETE', '/auth/namespaces/fleeting');
  expect(await statusOf(`Bearer ${token}`)).toBe(401);
  await world.addNamespace('fleeting');
  expect(await statusOf(`Bearer ${token}`)).toBe(401);
});

test('a token outlives a restart of the server', async () => {
  const token = await world.token();
  await world.restart();
  expect(await statusOf(`Bearer ${token}`)).toBe(200);
});
