/** Every route of every face, by every credential that is not for it. A route without a row fails. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { rounds } from '../support/torture.ts';
import { adminKey, env, Pipeline } from '../support/releasy.ts';
import { openWorld, type World } from '../support/world.ts';

interface RawOperation {
  readonly operationId?: string;
  readonly security?: readonly Readonly<Record<string, unknown>>[];
}

const methods = new Set(['get', 'head', 'post', 'put', 'patch', 'delete', 'options']);
const openapi = parse(readFileSync('openapi.yaml', 'utf8')) as { paths: Record<string, Record<string, RawOperation>> };
const operations = Object.entries(openapi.paths).flatMap(([path, of]) => Object.entries(of).filter(([method, one]) => methods.has(method) && one.operationId !== undefined)
  .map(([method, { operationId: id, security = [{ token: [] }] }]) => ({ id: id!, method: method.toUpperCase(), path, kinds: security.flatMap((one) => Object.keys(one)) })));

/** Routes that anybody may ask, by name: one that is opened by mistake is not among them. */
const open = [
  'home', 'pushForm', 'style', 'docs', 'book', 'bookAsJson', 'livez', 'readyz', 'healthz', 'live', 'ready', 'health', 'login', 'uploadLimits', 'tusOptions',
  'artifactDataLimits', 'resolveDownload', 'headDownload',
];

test('the routes that anybody may ask are these, and no others', () => {
  expect(operations.filter(({ kinds }) => kinds.length === 0).map(({ id }) => id).toSorted()).toEqual(open.toSorted());
});

let world: World;
/** What a path's parameters stand for: things of the owner. */
let places: Readonly<Record<string, string>>;
/** Headers by the kind of credential that they show, and its name. */
let credentials: readonly (readonly [kind: string, name: string, headers: Readonly<Record<string, string>>])[];

beforeAll(async () => {
  world = await openWorld({ env });
  for (const name of ['owner', 'stranger']) await world.addNamespace(name);
  const artifact = await world.push('thing', Buffer.from('the bytes of the owner'), { as: 'owner' });
  const upload = await world.upload(Buffer.from('begun'), 'owner');
  await world.ask('POST', '/api/storage/buckets', { as: 'owner', json: { name: 'b-owner' } });
  const key = await world.accessKey('owner', { permissions: { read: true } });
  places = {
    uuid: upload, ref: artifact.uuid, index: '1', name: 'thing', namespace: 'owner', other: 'stranger', key: 'k', key_name: 'first', id: key.accessKeyId, bucket: 'b-owner', offset: '0',
    algorithm: 'sha512', hash: artifact.sha512, customer_id: 'c', entitlement_id: 'e', release_id: 'r', token: 't',
  };
  const basic = ({ accessKeyId, secretAccessKey }: { accessKeyId: string; secretAccessKey: string }): string => `Basic ${Buffer.from(`${accessKeyId}:${secretAccessKey}`).toString('base64')}`;
  const revoked = await world.accessKey('owner');
  await world.ask('DELETE', `/api/storage/keys/${revoked.accessKeyId}`, { as: 'owner' });
  const pipeline = new Pipeline(world);
  const customer = await pipeline.key((await pipeline.customer()).id);
  const capability = await world.ask('POST', '/capabilities', { as: 'owner', json: { artifact: 'granted', max_size: 10 } });
  const token = await world.token('owner');
  const tampered = `${token.slice(0, -4)}${token.endsWith('AAAA') ? 'BBBB' : 'AAAA'}`;
  const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${token.split('.')[1]!}.`;
  credentials = [
    ['none', 'nothing', {}], ['none', 'an empty token', { authorization: 'Bearer ' }], ['none', 'a word', { authorization: 'Bearer nonsense' }], ['none', 'a changed token', { authorization: `Bearer ${tampered}` }],
    ['none', 'a token that nobody signed', { authorization: `Bearer ${unsigned}` }], ['none', 'another scheme', { authorization: `Digest ${token}` }], ['none', 'a capability as a token', { authorization: `Bearer ${capability.json<{ token?: string }>().token ?? 'none'}` }],
    ['none', 'a revoked access key', { authorization: basic(revoked) }], ['none', 'an access key with a wrong secret', { authorization: basic({ ...key, secretAccessKey: 'wrong' }) }],
    ['none', 'a wrong admin key', { 'x-releasy-admin-key': `${adminKey}x` }], ['none', 'a wrong customer key', { 'x-releasy-api-key': `${customer.api_key}x` }], ['none', 'a claimed name', { 'x-namespace': 'owner', 'x-forwarded-for': '127.0.0.1' }],
    ['customerKey', 'a customer key', customer.headers], ['operator', 'the admin key', { 'x-releasy-admin-key': adminKey }],
    ...await Promise.all(Array.from({ length: 15 }, async (_, bits) => {
      const permissions = Object.fromEntries(['read', 'write', 'delete', 'admin'].map((one, at) => [one, ((bits + 1) & (1 << at)) !== 0]));
      return ['accessKey', `an access key of another namespace, for ${JSON.stringify(permissions)}`, { authorization: basic(await world.accessKey('stranger', { permissions })) }] as const;
    })),
    ['stranger', 'the token of another namespace', { authorization: `Bearer ${await world.token('stranger')}` }],
  ];
});
afterAll(() => world.close());

type Ask = (method: string, path: string, headers: Readonly<Record<string, string>>) => Promise<number>;

const send: Ask = async (method, path, headers) => {
  const hasBody = !['GET', 'HEAD'].includes(method);
  const answer = await fetch(`${world.url}${path}`, { method, headers: { ...headers, ...(hasBody ? { 'content-type': 'application/json' } : {}) }, ...(hasBody ? { body: '{}' } : {}) });
  await answer.arrayBuffer();
  return answer.status;
};

const pathOf = (path: string): string => path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
  if (places[name] === undefined) throw new Error(`no place for ${name}`);
  return encodeURIComponent(places[name]);
});

/** What was answered as if it were allowed. */
async function letIn(ask: Ask, turns: number): Promise<{ cases: number; found: string[] }> {
  const found: string[] = [];
  let cases = 0;
  const variants = ['', '?x=1', '?namespace=owner', '?all=true', '?limit=1'].slice(0, turns);
  for (const { id, method, path, kinds } of operations.filter((one) => one.kinds.length > 0)) {
    for (const [kind, name, headers] of credentials) {
      // A credential of the right kind is for other tests, unless the place is another namespace's.
      const isForeign = (kind === 'stranger' || kind === 'accessKey') && /\{(?:uuid|ref|bucket|namespace|id)\}/.test(path) && !/^\/(?:instances|label)/.test(path);
      if (kinds.includes(kind) && !isForeign) continue;
      if (kind === 'stranger' && !isForeign && kinds.includes('token')) continue;
      for (const variant of variants) {
        cases += 1;
        const status = await ask(method, `${pathOf(path)}${variant}`, headers);
        if (status < 400 || status >= 500) found.push(`${id} with ${name}${variant}: ${status}`);
      }
    }
  }
  return { cases, found };
}

test('no route lets in a credential that is not for it', async () => {
  const { cases, found } = await letIn(send, rounds(1, 5));
  expect(found).toEqual([]);
  expect(cases).toBeGreaterThan(rounds(1500, 7500));
}, 600_000);

test('twin: a route that lets anybody in is found', async () => {
  const { found } = await letIn(async (method, path, headers) => (path.startsWith('/blobs') && method === 'GET' ? 200 : send(method, path, headers)), 1);
  expect(found.length).toBeGreaterThan(0);
}, 600_000);
