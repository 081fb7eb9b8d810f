/** Operators of the Releasy API: authorization precedes the reading of a request. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import { pino } from 'pino';
import { readConfig } from '../../src/config/index.ts';
import { openCore } from '../../src/core/index.ts';
import { words } from '../../src/server/domain.ts';
import { openEngine } from '../../src/engines/index.ts';
import { releasy as releasyFace } from '../../src/faces/releasy/index.ts';
import { Lifetime } from '../../src/http/lifetime.ts';
import { ConnectionCap } from '../../src/http/connection-cap.ts';
import { listen } from '../../src/http/listener.ts';
import { Tokens } from '../../src/http/tokens.ts';
import { Issuer } from '../support/jwks.ts';
import { RawConnection } from '../support/raw.ts';
import { adminKey, env, Pipeline, refusal, told } from '../support/releasy.ts';
import { openWorld, type Answered, type World } from '../support/world.ts';

let world: World;
let issuer: Issuer;
let releasy: Pipeline;
beforeAll(async () => {
  issuer = await Issuer.open();
  await issuer.add('first');
  await issuer.add('ec', 'ES256');
  world = await openWorld({
    env: {
      ...env,
      RELEASY_OPERATOR_JWKS_URL: issuer.url,
      RELEASY_OPERATOR_ISSUER: 'https://id.example',
      RELEASY_OPERATOR_AUDIENCE: 'releasy',
      RELEASY_OPERATOR_RESOURCE: 'releasy',
    },
  });
  releasy = new Pipeline(world);
});
afterAll(async () => {
  await world.close();
  await issuer.close();
});

const good = { iss: 'https://id.example', aud: 'releasy' };
const bearer = (token: string): Record<string, string> => ({ Authorization: `Bearer ${token}` });
const withRoles = async (...roles: string[]): Promise<Record<string, string>> =>
  bearer(await issuer.mint({ ...good, roles }));
const unauthorized = refusal(401, 'unauthorized', 'unauthorized');
const customers = '/v1/admin/customers';

/** Who may do what: roles of operators, and the scope that a customer's key needs. */
const A = 'platform_admin';
const S = 'platform_support';
const P = 'release_publisher';
const rights: Readonly<Record<string, readonly string[]>> = {
  createCustomer: [A],
  listCustomers: [A, S],
  getCustomer: [A, S],
  changeCustomer: [A],
  listEntitlements: [A, S],
  createEntitlement: [A],
  changeEntitlement: [A],
  deleteEntitlement: [A],
  createCustomerKey: [A],
  revokeCustomerKey: [A, S],
  listAudits: [A, S],
  introspectCustomerKey: ['keys:read'],
  createRelease: [A, P],
  listReleases: [A, S, P, 'releases:read'],
  getRelease: [A, S, P, 'releases:read'],
  deleteRelease: [A],
  publishRelease: [A, P],
  unpublishRelease: [A],
  presignArtifact: [A, P],
  registerArtifact: [A, P],
  sha256Sums: [A, S, P, 'releases:read'],
  sha512Sums: [A, S, P, 'releases:read'],
  createDownloadToken: ['downloads:token'],
};
const sentences: Readonly<Record<string, string>> = {
  [A]: 'admin role required',
  [`${A} ${S}`]: 'platform_support role required',
  [`${A} ${P}`]: 'release_publisher role required',
};

describe('every operation', () => {
  test('is for those whom the contract names, and the OpenAPI description says so', () => {
    const { openapi } = world.server;
    const paths = Object.values(
      (
        openapi.content as {
          paths: Record<string, Record<string, { operationId?: string; security?: Record<string, string[]>[] }>>;
        }
      ).paths,
    );
    const written = new Map(
      paths.flatMap((item) => Object.values(item)).map(({ operationId, security }) => [operationId, security]),
    );
    for (const { id } of openapi.operations.filter(({ tag, open }) => tag === 'Releasy' && !open)) {
      expect({ id, rights: rights[id] }).toEqual({ id, rights: expect.any(Array) });
      const listed = written.get(id)!.flatMap((one) => one['operator'] ?? []);
      const roles = rights[id]!.filter((right) => !right.includes(':'));
      expect({ id, listed }).toEqual({ id, listed: roles.length === 3 ? [] : roles });
    }
  });

  test.each(Object.entries(rights))('%s', async (id, allowed) => {
    const { method, path } = world.server.openapi.operation(id);
    const ask = (headers: Record<string, string>): Promise<Answered> =>
      releasy.as(headers, method.toUpperCase(), path.replaceAll(/\{\w+\}/g, 'x'));
    const refused = [401, 403];
    const roles = allowed.filter((right) => !right.includes(':'));
    const scopes = allowed.filter((right) => right.includes(':'));

    for (const headers of [
      {},
      bearer('wrong'),
      bearer('a.b.c'),
      { 'x-releasy-admin-key': 'wrong' },
      bearer(await issuer.mint({ ...good, roles: [A] }, { exp: 1 })),
      bearer(await world.token()),
    ]) {
      expect({ id, headers, answer: told(await ask(headers)) }).toEqual({ id, headers, answer: unauthorized });
    }
    for (const role of [A, S, P]) {
      const answer = await ask(await withRoles(role));
      if (roles.includes(role))
        expect({ id, role, refused: refused.includes(answer.status) }).toEqual({
          id,
          role,
          refused: false,
        });
      else
        expect({ id, role, answer: told(answer) }).toEqual({
          id,
          role,
          answer: roles.length === 0 ? unauthorized : refusal(403, 'forbidden', sentences[roles.join(' ')]!),
        });
    }
    const asAdmin = [{ 'x-releasy-admin-key': adminKey }, bearer(adminKey)];
    for (const headers of asAdmin)
      expect({ id, refused: refused.includes((await ask(headers)).status) }).toEqual({
        id,
        refused: roles.length === 0,
      });
    const { id: customer } = await releasy.customer();
    const all = await releasy.key(customer);
    expect({
      id,
      refused: refused.includes((await ask(all.headers)).status),
    }).toEqual({ id, refused: scopes.length === 0 });
    if (scopes.length > 0) {
      const lesser = await releasy.key(customer, { scopes: ['keys:write'] });
      expect({ id, answer: told(await ask(lesser.headers)) }).toEqual({
        id,
        answer: refusal(403, 'forbidden', 'missing scope'),
      });
    }
  });
});

describe('an operator', () => {
  const list = (headers: Record<string, string>): Promise<Answered> => releasy.as(headers, 'GET', customers);
  const add = (headers: Record<string, string>): Promise<Answered> =>
    releasy.as(headers, 'POST', customers, { name: 'x' });

  test('has the roles of every claim, which add up', async () => {
    const claims: [Record<string, unknown>, number][] = [
      [{ roles: [A] }, 200],
      [{ roles: A }, 200],
      [{ realm_access: { roles: ['offline', A] } }, 200],
      [{ resource_access: { releasy: { roles: [A] } } }, 200],
      [{ roles: [S, A] }, 200],
      [{ roles: [P], realm_access: { roles: [S] }, resource_access: { releasy: { roles: [A] } } }, 200],
      [{ resource_access: { other: { roles: [A] } } }, 403],
      [{ roles: { 0: A } }, 403],
      [{ roles: ['admin', null, 7] }, 403],
      [{ realm_access: null, resource_access: 'x' }, 403],
      [{}, 403],
    ];
    for (const [claim, status] of claims)
      expect({ claim, status: (await add(bearer(await issuer.mint({ ...good, ...claim })))).status }).toEqual({
        claim,
        status,
      });
    expect(told(await add(await withRoles()))).toEqual(refusal(403, 'forbidden', 'missing operator role'));
    expect(told(await add(await withRoles('other')))).toEqual(refusal(403, 'forbidden', 'missing operator role'));
  });

  test('is proved by RS256 and ES256, and for this issuer and audience alone', async () => {
    expect((await list(bearer(await issuer.mint({ ...good, roles: [A] }, { kid: 'ec' })))).status).toBe(200);
    for (const other of [{ iss: 'https://other.example' }, { aud: 'other' }, { iss: undefined }, { aud: undefined }]) {
      expect(told(await list(bearer(await issuer.mint({ ...good, roles: [A], ...other }))))).toEqual(unauthorized);
    }
  });

  test('with a key that was just made is known', async () => {
    await issuer.add('rotated', 'ES256');
    const { now } = Date;
    Date.now = () => now() + 11_000;
    try {
      expect((await list(bearer(await issuer.mint({ ...good, roles: [S] }, { kid: 'rotated' })))).status).toBe(200);
    } finally {
      Date.now = now;
    }
  });

  test('is told by the header of the admin key alone, where it is sent', async () => {
    const [header, wrong] = [{ 'x-releasy-admin-key': ` ${adminKey} ` }, { 'x-releasy-admin-key': 'wrong' }];
    expect((await list(header)).status).toBe(200);
    expect((await list({ ...header, ...bearer('wrong') })).status).toBe(200);
    expect((await add({ ...header, ...(await withRoles(S)) })).status).toBe(200);
    expect(told(await list({ ...wrong, ...bearer(adminKey) }))).toEqual(unauthorized);
    expect(told(await list({ ...wrong, ...(await withRoles(A)) }))).toEqual(unauthorized);
    expect((await list({ 'x-releasy-admin-key': ' ', ...bearer(adminKey) })).status).toBe(200);
    expect(told(await list({ Authorization: `Basic ${adminKey}` }))).toEqual(unauthorized);
    expect(told(await list({ Authorization: adminKey }))).toEqual(unauthorized);
  });

  test('leaves their name with what they do', async () => {
    const { id } = (await add(bearer(await issuer.mint({ ...good, sub: 'jane', roles: [A] })))).json<{ id: string }>();
    const events = await world.core.events.events('customer', id, { limit: 10 });
    expect(events).toMatchObject([
      { message: 'customer made', extra: { by: 'operator ["https://id.example","jane"]' } },
    ]);
  });
});

describe('where keys and issuers are missing', () => {
  const asked = async (env: Record<string, string>, ask: (releasy: Pipeline) => Promise<unknown>): Promise<unknown> => {
    const other = await openWorld({ env });
    try {
      return await ask(new Pipeline(other));
    } finally {
      await other.close();
    }
  };
  const unconfigured = refusal(503, 'service_unavailable', 'admin api key not configured');

  test('nobody operates where nothing is configured, and blank is nothing', async () => {
    const token = await issuer.mint({ ...good, roles: [A] });
    for (const nothing of [{}, { RELEASY_ADMIN_API_KEY: '  ', RELEASY_OPERATOR_JWKS_URL: '' }]) {
      await asked(nothing, async (one) => {
        for (const headers of [{}, { 'x-releasy-admin-key': 'x' }, bearer('x'), bearer(token)])
          expect(told(await one.as(headers, 'GET', customers))).toEqual(unconfigured);
      });
    }
  });

  test('a JWT is no more than a wrong key where none is trusted; a key that looks like a JWT is a key', async () => {
    await asked({ RELEASY_ADMIN_API_KEY: 'one.two.three' }, async (one) => {
      expect(told(await one.as(bearer(await issuer.mint({ ...good, roles: [A] })), 'GET', customers))).toEqual(
        unauthorized,
      );
      expect((await one.as(bearer('one.two.three'), 'GET', customers)).status).toBe(200);
    });
  });

  test('JWTs alone will do', async () => {
    await asked({ RELEASY_OPERATOR_JWKS_URL: issuer.url }, async (one) => {
      expect((await one.as(bearer(await issuer.mint({ roles: [A] })), 'GET', customers)).status).toBe(200);
      expect(told(await one.as({}, 'GET', customers))).toEqual(unauthorized);
      expect(told(await one.as(bearer('opaque'), 'GET', customers))).toEqual(unconfigured);
    });
  });

  test('it is said when the keys of the issuer cannot be had', async () => {
    issuer.faults.push(404);
    await asked({ ...env, RELEASY_OPERATOR_JWKS_URL: issuer.url }, async (one) => {
      const headers = bearer(await issuer.mint({ roles: [A] }));
      expect(told(await one.as(headers, 'GET', customers))).toEqual(
        refusal(503, 'service_unavailable', 'operator jwks unavailable'),
      );
      expect((await one.as(headers, 'GET', customers)).status).toBe(200);
      expect((await one.ask('GET', customers)).status).toBe(200);
    });
  });

  test('another pepper makes keys useless, the same one does not', async () => {
    const options = { ...env, RELEASY_API_KEY_PEPPER: 'first pepper' };
    const other = await openWorld({ env: options });
    const one = new Pipeline(other);
    const { headers } = await one.key((await one.customer()).id);
    const use = async (): Promise<number> => (await one.as(headers, 'POST', '/v1/auth/introspect')).status;
    expect(await use()).toBe(200);
    await other.restart();
    expect(await use()).toBe(200);
    options.RELEASY_API_KEY_PEPPER = 'second pepper';
    await other.restart();
    expect(await use()).toBe(401);
    await other.close();
  });
});

describe('a request', () => {
  const json = { 'Content-Type': 'application/json' };
  const admin = { 'x-releasy-admin-key': adminKey };
  const bodies: [string, Record<string, string>, string, unknown][] = [
    ['that is no JSON', json, '{"name":', refusal(400, 'bad_request', 'the request body is not JSON')],
    ['that is not UTF-8', json, '{"name":"\u00ff"}', refusal(400, 'bad_request', 'the request body is not JSON')],
    ['that is not there', json, '', refusal(400, 'bad_request', 'a request body is needed')],
    [
      'without a type',
      {},
      '{"name":"x"}',
      refusal(415, 'unsupported_media_type', 'the Content-Type must be application/json'),
    ],
    [
      'of another type',
      { 'Content-Type': 'text/json' },
      '{"name":"x"}',
      refusal(415, 'unsupported_media_type', 'the Content-Type must be application/json'),
    ],
    ['of the wrong shape', json, '{"name":{}}', refusal(422, 'unprocessable_entity', 'name must be a string')],
    [
      'that is compressed',
      { ...json, 'Content-Encoding': 'gzip' },
      '{"name":"x"}',
      refusal(400, 'bad_request', 'the request body must not be compressed'),
    ],
    [
      'that is too long',
      json,
      JSON.stringify({ name: 'x'.repeat(2 * 1024 * 1024) }),
      refusal(413, 'payload_too_large', 'a JSON body has at most 2097152 bytes'),
    ],
  ];
  const send = async (headers: Record<string, string>, body: string): Promise<unknown> => {
    const connection = await RawConnection.open(world.url);
    const bytes = Buffer.from(body, 'latin1');
    connection.head('POST', customers, { ...headers, 'Content-Length': bytes.length }).send(bytes);
    const answer = await connection.answer();
    connection.socket.destroy();
    return { status: answer.status, body: JSON.parse(answer.body) as unknown };
  };

  test.each(bodies)('with a body %s', async (_, headers, body, expected) =>
    expect(await send({ ...headers, ...admin }, body)).toEqual(expected),
  );

  test.each(bodies)("by nobody, with a body %s, is refused for being nobody's", async (_, headers, body) => {
    expect(await send(headers, body)).toEqual(unauthorized);
    expect(await send({ ...headers, ...(await withRoles(S)) }, body)).toEqual(
      refusal(403, 'forbidden', 'admin role required'),
    );
  });

  test('may say that its JSON has a charset, and be of 2 MiB', async () => {
    expect(await send({ ...admin, 'Content-Type': 'application/json; charset=utf-8' }, '{"name":"x"}')).toMatchObject({
      status: 200,
    });
    const long = `{"name":"x","more":"${'x'.repeat(2 * 1024 * 1024 - 22)}"}`;
    expect({ length: long.length, send: await send({ ...admin, ...json }, long) }).toMatchObject({
      length: 2 * 1024 * 1024,
      send: { status: 200 },
    });
  });

  test('is refused before its body is sent, where leave is asked for', async () => {
    const connection = await RawConnection.open(world.url);
    const answer = await connection
      .head('POST', customers, { ...json, 'Content-Length': 1000, Expect: '100-continue' })
      .answer();
    expect({ status: answer.status, body: JSON.parse(answer.body) as unknown }).toEqual(unauthorized);
    connection.socket.destroy();
  });

  test('for what there is not, or by another method, is refused in the same words', async () => {
    expect(told(await releasy.ask('GET', '/v1/nothing'))).toEqual(refusal(404, 'not_found', 'no such path'));
    expect(told(await releasy.ask('GET', '/v1'))).toEqual(refusal(404, 'not_found', 'no such path'));
    const wrong = await releasy.ask('DELETE', customers);
    expect({ answer: told(wrong), allow: wrong.headers.get('allow') }).toEqual({
      answer: refusal(405, 'method_not_allowed', 'this path does not support that method'),
      allow: 'GET, POST, HEAD',
    });
    expect(
      await RawConnection.open(world.url).then(
        async (connection) => (await connection.head('GET', '/v1/admin/customers/%ff', admin).answer()).body,
      ),
    ).toContain('{"error":{"code":"bad_request"');
  });
});

describe('health', () => {
  test('is told as JSON, and so is the OpenAPI description', async () => {
    for (const path of ['/health', '/ready', '/live'])
      expect(told(await world.ask('GET', path, { as: null }))).toEqual({ status: 200, body: { status: 'ok' } });
    expect((await world.ask('GET', '/openapi.json', { as: null })).json()).toEqual(world.server.openapi.content);
  });

  test('ends with the catalog; life does not', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stowage-'));
    const engine = await openEngine({ folder, strict: false, onFault: () => undefined });
    const core = await openCore(engine, {
      words,
      limits: { maxSize: 1, headroom: 0, idle: 1 },
      ages: { multipart: 1, grace: 1, stray: 1, memory: 1, events: 1 },
      scrub: { every: 1, rate: 1 },
      source: undefined,
      systemKey: 'some-system-key',
      keys: { secret: new Uint8Array(32), configured: undefined },
    });
    const lifetime = new Lifetime({ pace: { rate: 0, window: 1000 }, stall: 1000 });
    const { openapi } = world.server;
    const settings = readConfig(env).releasy;
    const tokens = new Tokens(core, { secret: new Uint8Array(32), issuer: 'test', lifetime: 1000 });
    const face = releasyFace({
      core,
      openapi,
      lifetime,
      log: pino({ level: 'silent' }),
      tokens,
      settings,
      presign: undefined,
      foreignStore: undefined,
    });
    const listener = await listen({
      host: '127.0.0.1',
      port: 0,
      connections: new ConnectionCap(10),
      handle: express().use(face.router),
    });
    const ask = async (path: string): Promise<unknown> => {
      const answer = await fetch(`${listener.urls[0]}${path}`);
      return { status: answer.status, body: (await answer.json()) as unknown };
    };
    expect(await ask('/health')).toEqual({ status: 200, body: { status: 'ok' } });
    await core.close();
    await engine.close();
    for (const path of ['/health', '/ready'])
      expect(await ask(path)).toEqual(refusal(503, 'service_unavailable', 'database unavailable'));
    expect(await ask('/live')).toEqual({ status: 200, body: { status: 'ok' } });
    await listener.close(0);
    await rm(folder, { recursive: true });
  });
});
