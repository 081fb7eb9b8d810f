/** JWTs of an external issuer and its keys. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT } from 'jose';
import { OperatorTokens, type ForeignTokenOptions } from '../../src/faces/releasy/operator-tokens.ts';
import { Issuer, type Minted } from '../support/jwks.ts';
import { MovableClock } from '../support/world.ts';

let issuer: Issuer;
let clock: MovableClock;
beforeEach(async () => {
  issuer = await Issuer.open();
  await issuer.add('first');
  clock = new MovableClock();
  clock.freeze();
  // The library's key set knows no other clock.
  Date.now = () => clock.now();
});
const { now: wallNow } = Date;
afterEach(() => {
  Date.now = wallNow;
  return issuer.close();
});

const tokens = (more: Partial<ForeignTokenOptions> = {}): OperatorTokens =>
  new OperatorTokens(clock, {
    url: issuer.url,
    issuer: undefined,
    audience: undefined,
    age: 300_000,
    leeway: 0,
    name: 'operator jwks',
    ...more,
  });
const now = (): number => Math.floor(clock.now() / 1000);
const refused = { reason: 'unauthenticated', message: 'unauthorized' };

describe('a token', () => {
  test.each(['RS256', 'ES256'] as const)('is proved by %s', async (alg) => {
    await issuer.add('key', alg);
    expect(await tokens().claims(await issuer.mint({ roles: ['a'] }, { kid: 'key' }))).toMatchObject({
      sub: 'someone',
      roles: ['a'],
    });
  });

  test.each<[string, () => Minted]>([
    ['has expired', () => ({ exp: now() - 1 })],
    ['never expires', () => ({ exp: null })],
    ['is not good yet', () => ({ nbf: now() + 60 })],
    ['names no key', () => ({ header: { kid: undefined } })],
    ['names a key that there is not', () => ({ header: { kid: 'other' } })],
  ])('that %s is refused', async (_, minted) => {
    await expect(tokens().claims(await issuer.mint({}, minted()))).rejects.toMatchObject(refused);
  });

  test('may be off by the leeway, and by no more', async () => {
    const lenient = tokens({ leeway: 30_000 });
    await lenient.claims(await issuer.mint({}, { exp: now() - 20 }));
    await lenient.claims(await issuer.mint({}, { nbf: now() + 20 }));
    await expect(lenient.claims(await issuer.mint({}, { exp: now() - 40 }))).rejects.toMatchObject(refused);
    await expect(lenient.claims(await issuer.mint({}, { nbf: now() + 40 }))).rejects.toMatchObject(refused);
  });

  test('is asked for issuer and audience only where they are told', async () => {
    const strict = tokens({ issuer: 'https://id.example/', audience: 'releasy' });
    const good = { iss: 'https://id.example/', aud: ['other', 'releasy'] };
    await strict.claims(await issuer.mint(good));
    await strict.claims(await issuer.mint({ ...good, aud: 'releasy' }));
    for (const bad of [
      { ...good, iss: 'https://id.example' },
      { ...good, aud: 'other' },
      { aud: 'releasy' },
      { iss: good.iss },
    ]) {
      await expect(strict.claims(await issuer.mint(bad))).rejects.toMatchObject(refused);
    }
    await tokens().claims(await issuer.mint({ iss: 'anybody', aud: 'anything' }));
  });

  test('of another algorithm proves nothing: not even with the public key for a secret', async () => {
    await issuer.add('pss', 'PS256');
    await expect(tokens().claims(await issuer.mint({}, { kid: 'pss' }))).rejects.toMatchObject(refused);
    const secret = Buffer.from(JSON.stringify(issuer.publicKey('first')));
    const forged = await new SignJWT({ roles: ['platform_admin'] })
      .setProtectedHeader({ alg: 'HS256', kid: 'first' })
      .setExpirationTime('1h')
      .sign(secret);
    await expect(tokens().claims(forged)).rejects.toMatchObject(refused);
    const [, payload] = forged.split('.');
    const unsigned = `${Buffer.from('{"alg":"none","kid":"first"}').toString('base64url')}.${payload}.`;
    await expect(tokens().claims(unsigned)).rejects.toMatchObject(refused);
  });

  test('that was changed anywhere is refused, and so is what is no token', async () => {
    const good = await issuer.mint({ roles: ['platform_support'] });
    const one = tokens();
    await one.claims(good);
    const [head, payload, signature] = good.split('.') as [string, string, string];
    const raised = Buffer.from(payload, 'base64url').toString().replace('platform_support', 'platform_admin_');
    const flipped = signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`;
    for (const bad of [
      `${head}.${Buffer.from(raised).toString('base64url')}.${signature}`,
      `${head}.${payload}.${flipped}`,
      `${head}.${payload}.`,
      'a.b.c',
      '..',
      'x'.repeat(20_000),
    ]) {
      await expect(one.claims(bad)).rejects.toMatchObject(refused);
    }
  });
});

describe('keys', () => {
  test('are asked for once while they are fresh, however many need them', async () => {
    const one = tokens();
    const good = await issuer.mint({});
    await Promise.all(Array.from({ length: 20 }, () => one.claims(good)));
    expect(issuer.asked).toBe(1);
    clock.move(300_001);
    await one.claims(good);
    expect(issuer.asked).toBe(2);
  });

  test('a key that is not among them is looked for ten seconds after the last answer, and not sooner', async () => {
    const one = tokens();
    await one.claims(await issuer.mint({}));
    await issuer.add('second', 'ES256', { alone: true });
    clock.move(9_999);
    await expect(one.claims(await issuer.mint({}, { kid: 'second' }))).rejects.toMatchObject(refused);
    expect(issuer.asked).toBe(1);
    clock.move(1);
    await one.claims(await issuer.mint({}, { kid: 'second' }));
    expect(issuer.asked).toBe(2);
    await expect(one.claims(await issuer.mint({}))).rejects.toMatchObject(refused);
    for (let n = 0; n < 5; n += 1)
      await expect(one.claims(await issuer.mint({}, { header: { kid: `made up ${n}` } }))).rejects.toMatchObject(
        refused,
      );
    expect(issuer.asked).toBe(2);
    clock.move(10_001);
    await expect(one.claims(await issuer.mint({}))).rejects.toMatchObject(refused);
    expect(issuer.asked).toBe(3);
  });

  test('that cannot be had for a moment are asked for once more', async () => {
    issuer.faults.push(500);
    await tokens().claims(await issuer.mint({}));
    expect(issuer.asked).toBe(2);
  });

  test('that cannot be had make it unavailable, and not for longer than that', async () => {
    issuer.faults.push(500, 503, 404);
    const one = tokens();
    const good = await issuer.mint({});
    await expect(one.claims(good)).rejects.toMatchObject({
      reason: 'unavailable',
      message: 'operator jwks unavailable',
    });
    await expect(one.claims(good)).rejects.toMatchObject({
      reason: 'unavailable',
      message: 'operator jwks unavailable',
    });
    expect(issuer.asked).toBe(3);
    await one.claims(good);
  });

  test('that do not come in time', async () => {
    issuer.faults.push(0);
    await expect(tokens({ patience: 50 }).claims(await issuer.mint({}))).rejects.toMatchObject({
      reason: 'unavailable',
      message: 'operator jwks request timed out',
    });
  });

  test('that cannot be had when one of them is missing make it unavailable: the token may be right', async () => {
    const one = tokens();
    await one.claims(await issuer.mint({}));
    clock.move(10_000);
    issuer.faults.push(404);
    await expect(one.claims(await issuer.mint({}, { header: { kid: 'other' } }))).rejects.toMatchObject({
      reason: 'unavailable',
    });
    await one.claims(await issuer.mint({}));
  });

  test('that are larger than a mebibyte are refused', async () => {
    const server = createServer((_, res) => res.end(JSON.stringify({ keys: [], more: ' '.repeat(1024 * 1024) })));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await expect(tokens({ url }).claims(await issuer.mint({}))).rejects.toMatchObject({
      reason: 'unavailable',
      message: 'operator jwks unavailable',
    });
    await new Promise((resolve) => server.close(resolve));
  });

  test('that are no keys, or behind a port where nobody listens', async () => {
    const server = createServer((_, res) => res.end('<html>'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const good = await issuer.mint({});
    await expect(tokens({ url }).claims(good)).rejects.toMatchObject({ message: 'operator jwks unavailable' });
    await new Promise((resolve) => server.close(resolve));
    await expect(tokens({ url }).claims(good)).rejects.toMatchObject({ message: 'operator jwks unavailable' });
  });
});
