/** Wrong secrets are refused before they cost anything, without an effect on correct ones. */
import { randomBytes, scryptSync } from 'node:crypto';
import { request } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { makeCredential } from '../../src/core/tenants/access.ts';
import { Issuer } from '../support/jwks.ts';
import { env } from '../support/releasy.ts';
import { openWorld, type World } from '../support/world.ts';

interface Answer {
  readonly status: number;
  readonly retryAfter: number;
  readonly text: string;
}

interface Asked {
  /** The address that the connection comes from. */
  readonly from?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

function ask(url: string, { from = '127.0.0.1', method = 'POST', headers = {}, body = '' }: Asked): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = { 'Content-Length': Buffer.byteLength(body), 'Content-Type': 'application/json' };
    const asked = request(
      url,
      { method, localAddress: from, agent: false, headers: { ...length, ...headers } },
      (res) => {
        let text = '';
        res.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        res.on('end', () =>
          resolve({ status: res.statusCode!, retryAfter: Number(res.headers['retry-after'] ?? 0), text }),
        );
      },
    );
    asked.on('error', reject).end(body);
  });
}

const failures = 2;
let world: World;
let issuer: Issuer;
beforeAll(async () => {
  issuer = await Issuer.open();
  await issuer.add('first');
  world = await openWorld({
    env: {
      ...env,
      RELEASY_OPERATOR_JWKS_URL: issuer.url,
      STOWAGE_LOGIN_FAILURES: String(failures),
      STOWAGE_LOGIN_WINDOW: '10h',
      STOWAGE_TRUSTED_PROXIES: '127.0.0.99',
    },
  });
  world.clock.freeze();
});
afterAll(async () => {
  await world.close();
  await issuer.close();
});

/** Each test has namespaces and a network of its own, so that no limit reached by one is met by another. */
let alpha: string;
let beta: string;
let tests = 0;
beforeEach(async () => {
  tests += 1;
  [alpha, beta] = [`alpha-${tests}`, `beta-${tests}`];
  for (const name of [alpha, beta]) await world.addNamespace(name);
});
const net = (host: string): string => `127.${tests}.${host}`;

const login = (namespace: string, key: string, from?: string, headers?: Asked['headers']): Promise<Answer> =>
  ask(`${world.url}/auth`, {
    ...(from && { from }),
    ...(headers && { headers }),
    body: JSON.stringify({ namespace, key }),
  });
const rightKey = (name: string): string => world.know(name);

function counted(answers: readonly Answer[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

async function metric(name: string): Promise<number> {
  const text = (await world.ask('GET', '/metrics')).bytes.toString();
  return Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1]);
}

describe('logins', () => {
  test('many wrong keys at once: as many as the limit are looked at, the others get 429 and Retry-After', async () => {
    const before = await metric('stowage_throttled_total');
    const wrong = await Promise.all(Array.from({ length: 60 }, (_, at) => login(alpha, `wrong-${at}`, net('0.2'))));
    expect(counted(wrong)).toEqual({ 401: failures, 429: 60 - failures });
    for (const { status, retryAfter } of wrong) if (status === 429) expect(retryAfter).toBeGreaterThan(0);
    expect((await metric('stowage_throttled_total')) - before).toBe(60 - failures);
  });

  test('a right key from another address, or for another namespace, is taken meanwhile', async () => {
    const wrong = Array.from({ length: 60 }, (_, at) => login(alpha, `wrong-${at}`, net('0.2')));
    const right = [login(beta, rightKey(beta), net('0.2')), login(alpha, rightKey(alpha), net('0.3'))];
    expect(counted(await Promise.all(right))).toEqual({ 200: 2 });
    await Promise.all(wrong);
    expect((await login(alpha, rightKey(alpha), net('0.2'))).status).toBe(429);
  });

  test('the limit passes with its window', async () => {
    for (let at = 0; at <= failures; at += 1) await login(alpha, 'wrong', net('0.2'));
    const { status, retryAfter } = await login(alpha, rightKey(alpha), net('0.2'));
    expect(status).toBe(429);
    world.clock.move(retryAfter * 1000);
    expect((await login(alpha, rightKey(alpha), net('0.2'))).status).toBe(200);
  });

  test('a namespace tried from many addresses: new ones are refused, one that logged in before is not', async () => {
    expect((await login(alpha, rightKey(alpha), net('0.3'))).status).toBe(200);
    const tries: Answer[] = [];
    for (let at = 0; at < failures * 12; at += 1) tries.push(await login(alpha, 'wrong', net(`1.${1 + (at % 40)}`)));
    expect(counted(tries)).toEqual({ 401: failures * 10, 429: failures * 2 });
    expect((await login(alpha, rightKey(alpha), net('2.1'))).status).toBe(429);
    expect((await login(alpha, rightKey(alpha), net('0.3'))).status).toBe(200);
  });

  test('one address that tries many namespaces is refused for all of them', async () => {
    const tries: Answer[] = [];
    for (let at = 0; at < failures * 6; at += 1) tries.push(await login(`nobody-${at}`, 'wrong', net('0.2')));
    expect(counted(tries)).toEqual({ 404: failures * 5, 429: failures });
  });

  test('many right keys at once are all taken', async () => {
    const right = Array.from({ length: failures * 8 }, () => login(alpha, rightKey(alpha), net('0.2')));
    expect(counted(await Promise.all(right))).toEqual({ 200: failures * 8 });
  });

  test('behind a proxy that is trusted, the address that it names counts; what a stranger names does not', async () => {
    const through = (proxy: string, client: string): Promise<Answer> =>
      login(alpha, 'wrong', proxy, { 'X-Forwarded-For': client });
    for (let at = 0; at <= failures; at += 1) await through('127.0.0.99', '192.0.2.1');
    expect((await through('127.0.0.99', '192.0.2.1')).status).toBe(429);
    expect((await through('127.0.0.99', '192.0.2.2')).status).toBe(401);
    for (let at = 0; at < failures; at += 1) await through(net('0.4'), `198.51.100.${at}`);
    expect((await through(net('0.4'), '198.51.100.99')).status).toBe(429);
  });

  test('addresses of one /64 of IPv6 are one', async () => {
    const through = (client: string): Promise<Answer> =>
      login(alpha, 'wrong', '127.0.0.99', { 'X-Forwarded-For': client });
    for (let at = 0; at < failures; at += 1) await through(`2001:db8:1:2::${at + 1}`);
    expect((await through('2001:db8:1:2:ffff::1')).status).toBe(429);
    expect((await through('2001:db8:1:3::1')).status).toBe(401);
  });
});

describe('keys of one namespace', () => {
  test('share a salt, so that a login costs one derivation; a key of another salt still opens it', async () => {
    for (let at = 0; at < 4; at += 1) {
      const json = { key_name: `k${at}`, key: `key-number-${at}` };
      await world.ask('POST', `/auth/namespaces/${alpha}/keys`, { json });
    }
    const old = await makeCredential(alpha, 'old', 'an-old-key-of-alpha', 1);
    const young = await makeCredential(alpha, 'young', 'a-young-key-of-alpha', 1, [old]);
    const saltOf = ({ verifier }: { verifier: string }): string => verifier.split(':')[4]!;
    expect(saltOf(young)).toBe(saltOf(old));
    expect(young.verifier).not.toBe(old.verifier);
    for (let at = 0; at < 4; at += 1) expect((await login(alpha, `key-number-${at}`)).status).toBe(200);
  });
});

describe('keys of before, each with a salt of its own', () => {
  const oldKeys = 100;
  let old: World;

  /** Cheaper than such keys are, as there are many. */
  const verifierOf = (key: string): string => {
    const salt = randomBytes(16);
    const hash = scryptSync(key, salt, 32, { N: 128, r: 8, p: 1 });
    return ['scrypt', 128, 8, 1, salt.toString('base64'), hash.toString('base64')].join(':');
  };
  const inCatalog = <T>(work: (database: InstanceType<typeof DatabaseSync>) => T): T => {
    const database = new DatabaseSync(join(old.folder, 'catalog.sqlite'));
    try {
      return work(database);
    } finally {
      database.close();
    }
  };
  const credentials = (): { name: string; verifier: string; nonce: string }[] =>
    inCatalog(
      (database) =>
        database.prepare("select name, verifier, nonce from credentials where namespace = 'alpha'").all() as never,
    );
  const saltOf = (name: string): string =>
    credentials()
      .find((one) => one.name === name)!
      .verifier.split(':')
      .slice(0, 5)
      .join(':');
  const loginOld = (key: string, from: string): Promise<Answer> =>
    ask(`${old.url}/auth`, { from, body: JSON.stringify({ namespace: 'alpha', key }) });

  beforeEach(async () => {
    old = await openWorld();
    old.clock.freeze();
    await old.addNamespace('alpha');
    await old.server.close();
    inCatalog((database) => {
      const insert = database.prepare(
        "insert into credentials (namespace, name, verifier, nonce, created_at) values ('alpha', ?, ?, ?, 1)",
      );
      database.exec('begin');
      for (let at = 0; at < oldKeys; at += 1) insert.run(`old-${at}`, verifierOf(`the-old-key-${at}`), `nonce-${at}`);
      database.exec('commit');
    });
    await old.start();
  });
  afterEach(() => old.close());

  test('wrong logins from many addresses keep a right one waiting for a second at most', async () => {
    const wrong: Answer[] = [];
    for (let at = 0; at < 30; at += 1) wrong.push(await loginOld('wrong', `127.0.1.${at + 1}`));
    expect(counted(wrong)).toEqual({ 401: 2, 429: 28 });
    const first = await loginOld('the-old-key-50', '127.0.0.3');
    expect(first).toMatchObject({ status: 429, retryAfter: 1 });
    old.clock.move(1000);
    expect((await loginOld('the-old-key-50', '127.0.0.3')).status).toBe(200);
  });

  test('the first right login moves its key to the salt that is shared, and what the key opened stays open', async () => {
    const shared = saltOf('first');
    const before = await loginOld('the-old-key-50', '127.0.0.3');
    expect(before.status).toBe(200);
    expect(saltOf('old-50')).toBe(shared);
    expect(credentials().find(({ name }) => name === 'old-50')!.nonce).toBe('nonce-50');
    expect(new Set(credentials().map(({ name }) => saltOf(name))).size).toBe(oldKeys);
    const { access_token: token } = JSON.parse(before.text) as { access_token: string };
    // A server that has started again remembers no key that was proved.
    await old.restart();
    const headers = { Authorization: `Bearer ${token}` };
    expect((await ask(`${old.url}/upload`, { method: 'GET', headers })).status).toBe(200);
    for (const key of ['the-old-key-50', 'the-old-key-51']) expect((await loginOld(key, '127.0.0.3')).status).toBe(200);
    expect(saltOf('old-51')).toBe(shared);
    expect((await loginOld('the-old-key-50x', '127.0.0.3')).status).toBe(401);
  });
});

describe('other credentials', () => {
  test('access keys shown as a password: the wrong ones end in 429, the right one is taken as before', async () => {
    const key = await world.accessKey(alpha);
    const basic = (secret: string, from: string): Promise<Answer> =>
      ask(`${world.url}/api/storage/buckets`, {
        from,
        method: 'GET',
        headers: { Authorization: `Basic ${Buffer.from(`${key.accessKeyId}:${secret}`).toString('base64')}` },
      });
    expect((await basic(key.secretAccessKey, net('0.3'))).status).toBe(200);
    const wrong: Answer[] = [];
    for (let at = 0; at < failures * 10 + 5; at += 1) wrong.push(await basic('wrong', net('0.2')));
    expect(counted(wrong)).toEqual({ 401: failures * 10, 429: 5 });
    expect((await basic(key.secretAccessKey, net('0.3'))).status).toBe(200);
  });

  test('tokens that are none of ours end in 429; a right token is taken from the same address', async () => {
    const token = await world.token(alpha);
    const bearer = (text: string): Promise<Answer> =>
      ask(`${world.url}/upload`, { from: net('0.2'), method: 'GET', headers: { Authorization: `Bearer ${text}` } });
    const wrong: Answer[] = [];
    for (let at = 0; at < failures * 50 + 5; at += 1) wrong.push(await bearer('not.our.token'));
    expect(counted(wrong)).toEqual({ 401: failures * 50, 429: 5 });
    expect((await bearer(token)).status).toBe(200);
  });

  test("operators' tokens that are not the issuer's end in 429; the same address may show a right one", async () => {
    const list = (token: string): Promise<Answer> => {
      const headers = { Authorization: `Bearer ${token}` };
      return ask(`${world.url}/v1/admin/customers`, { from: net('0.2'), method: 'GET', headers });
    };
    const exp = Math.floor(world.clock.now() / 1000) + 3600;
    const right = await issuer.mint({ roles: ['platform_admin'] }, { exp });
    const forged = `${right.slice(0, right.lastIndexOf('.'))}.${'A'.repeat(342)}`;
    const wrong: Answer[] = [];
    for (let at = 0; at < failures * 50 + 5; at += 1) wrong.push(await list(at % 2 === 0 ? forged : 'no.such.token'));
    expect(counted(wrong)).toEqual({ 401: failures * 50, 429: 5 });
    expect((await list(right)).status).toBe(200);
  });

  test('S3 keys that there are not end in SlowDown', async () => {
    const day = new Date(world.clock.now()).toISOString().replaceAll(/[-:]|\.\d+/g, '');
    const signed = (): Promise<Answer> =>
      ask(`${world.s3Url}/`, {
        from: net('0.2'),
        method: 'GET',
        headers: {
          'x-amz-date': day,
          'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
          Authorization:
            `AWS4-HMAC-SHA256 Credential=nobody/${day.slice(0, 8)}/us-east-1/s3/aws4_request, ` +
            `SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=${'0'.repeat(64)}`,
        },
      });
    const answers: Answer[] = [];
    for (let at = 0; at < failures * 10 + 3; at += 1) answers.push(await signed());
    expect(counted(answers)).toEqual({ 403: failures * 10, 503: 3 });
    expect(answers.at(-1)).toMatchObject({ text: expect.stringContaining('<Code>SlowDown</Code>') as string });
    expect(answers.at(-1)!.retryAfter).toBeGreaterThan(0);
  });
});
