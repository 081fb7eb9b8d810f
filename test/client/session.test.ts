import { StowageError } from '../../src/client/error.ts';
import { nextOf } from '../../src/client/listing.ts';
import { Session, type SessionOptions } from '../../src/client/session.ts';
import type { TransportAnswer, Outgoing } from '../../src/client/transport.ts';
import { answer } from './line.ts';

interface Seen {
  readonly path: string;
  readonly token: string | undefined;
  readonly body: Outgoing['body'];
}

/** A session over `serve`, which sees every request but those for tokens; those number the tokens. */
function sessionOver(
  serve: (seen: Seen) => TransportAnswer | Promise<TransportAnswer>,
  options: Partial<SessionOptions> = {},
): { session: Session; logins: () => number; seen: Seen[] } {
  let logins = 0;
  const seen: Seen[] = [];
  const session = new Session({
    url: 'http://server/prefix/',
    credentials: { namespace: 'ns', key: 'k' },
    clock: { now: () => 0 },
    patience: { attempts: 3, first: 0, most: 0 },
    transport: async (request) => {
      const path = request.url.slice('http://server'.length);
      if (path === '/prefix/auth') return answer(200, { access_token: `token-${(logins += 1)}`, expires_in: 900 });
      const now = { path, token: request.headers['authorization']?.slice('Bearer '.length), body: request.body };
      seen.push(now);
      return await serve(now);
    },
    ...options,
  });
  return { session, logins: () => logins, seen };
}

const get = { method: 'GET', path: ['x'] } as const;
const unauthenticated = (): TransportAnswer => answer(401, { error: 'who?', status: 401, code: 'unauthenticated' });

describe('a session', () => {
  test('fetches one token for all, and sends it', async () => {
    const { session, logins, seen } = sessionOver(() => answer(200, 1));
    await Promise.all([session.json(get), session.json(get), session.json(get)]);
    expect(logins()).toBe(1);
    expect(seen.every(({ token }) => token === 'token-1')).toBe(true);
  });

  test('renews a token that was refused, once', async () => {
    const { session, logins } = sessionOver(({ token }) =>
      token === 'token-1' ? unauthenticated() : answer(200, 'yes'),
    );
    expect(await session.json(get)).toBe('yes');
    expect(logins()).toBe(2);
    const stubborn = sessionOver(unauthenticated);
    await expect(stubborn.session.json(get)).rejects.toMatchObject({ code: 'unauthenticated', status: 401 });
    expect(stubborn.logins()).toBe(2);
  });

  test('renews a token ahead of its end', async () => {
    let now = 0;
    const { session, logins } = sessionOver(() => answer(200, 1), { clock: { now: () => now } });
    await session.json(get);
    now = 839_000;
    await session.json(get);
    expect(logins()).toBe(1);
    now = 841_000;
    await session.json(get);
    expect(logins()).toBe(2);
  });

  test('a bare token is not renewed', async () => {
    const { session, logins } = sessionOver(unauthenticated, { credentials: { token: 'mine' } });
    await expect(session.json(get)).rejects.toMatchObject({ code: 'unauthenticated' });
    expect(logins()).toBe(0);
  });

  test('an unknown namespace is a failed login, not something not found', async () => {
    const session = new Session({
      url: 'http://server',
      credentials: { namespace: 'nobody', key: 'k' },
      clock: { now: () => 0 },
      patience: { attempts: 3, first: 0, most: 0 },
      transport: async () => answer(404, { error: 'namespace not found', status: 404, code: 'not_found' }),
    });
    await expect(session.login()).rejects.toMatchObject({ code: 'unauthenticated', message: 'namespace not found' });
  });

  test('asks again where the answer was lost, but not for what would happen twice', async () => {
    let left = 2;
    const flaky = sessionOver(() => {
      if (left-- > 0) throw new StowageError('network', 'cut');
      return answer(200, 'there');
    });
    expect(await flaky.session.json(get)).toBe('there');
    left = 1;
    await expect(flaky.session.json({ method: 'POST', path: ['x'], once: true })).rejects.toMatchObject({
      code: 'network',
    });
  });

  test('an answer that is cut while it is read is asked for again', async () => {
    let turn = 0;
    const { session } = sessionOver(() => {
      if (turn++ > 0) return answer(200, 'whole');
      return {
        ...answer(200, ''),
        body: (async function* () {
          yield Buffer.from('"wh');
          throw new StowageError('network', 'cut');
        })(),
      };
    });
    expect(await session.json(get)).toBe('whole');
  });

  test("errors carry the server's word, its facts and its request's id", async () => {
    const { session } = sessionOver(() => ({
      ...answer(409, { error: 'elsewhere', status: 409, code: 'offset_mismatch', offset: 7 }, { 'x-request-id': 'r1' }),
    }));
    await expect(session.json(get)).rejects.toMatchObject({
      code: 'offset_mismatch',
      status: 409,
      message: 'elsewhere',
      details: { offset: 7 },
      requestId: 'r1',
      fromServer: true,
    });
  });

  test("a proxy's page is judged by its status", async () => {
    const page = (status: number): TransportAnswer => ({
      ...answer(status, undefined),
      body: (async function* () {
        yield Buffer.from('<html>');
      })(),
    });
    await expect(sessionOver(() => page(504)).session.json(get)).rejects.toMatchObject({
      code: 'unavailable',
      fromServer: false,
    });
    await expect(sessionOver(() => page(418)).session.json(get)).rejects.toMatchObject({ code: 'protocol' });
    await expect(sessionOver(() => page(200)).session.json(get)).rejects.toMatchObject({ code: 'protocol' });
  });

  test('names are encoded, and none leads to another path', async () => {
    const { session, seen } = sessionOver(() => answer(200, 1));
    await session.json({ method: 'GET', path: ['artifacts', 'a b/ü?#%'], query: { type: 'x&y', none: undefined } });
    expect(seen[0]?.path).toBe('/prefix/artifacts/a%20b%2F%C3%BC%3F%23%25?type=x%26y');
    for (const name of ['.', '..', ''])
      await expect(session.json({ method: 'GET', path: ['artifacts', name] })).rejects.toMatchObject({
        code: 'malformed',
      });
  });

  test('no address that is none', () => {
    expect(() => sessionOver(() => answer(200, 1), { url: 'ftp://x' })).toThrow(TypeError);
    expect(() => sessionOver(() => answer(200, 1), { url: 'localhost:13000' })).toThrow(TypeError);
  });
});

test('the cursor of the next page', () => {
  expect(nextOf('</upload?limit=2&after=abc>; rel="next"')).toBe('abc');
  expect(nextOf('</a>; rel="first", </upload?after=x%20y&limit=2>; rel=next')).toBe('x y');
  expect(nextOf('</a?after=1>; rel="prev"')).toBeUndefined();
  expect(nextOf(undefined)).toBeUndefined();
});
