/**
 * Every route, as a valid request for one namespace's records, with every kind of insufficient credential. A route
 * without a row fails. Refused requests change nothing, and the same requests succeed for the owner.
 */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { Principal } from '../../src/catalog/model.ts';
import { Refusal } from '../../src/core/refusal.ts';
import { Issuer } from '../support/jwks.ts';
import { ask, hold, whileBroken, type Case } from '../support/matrix.ts';
import { adminKey, openReleasy, type Releasy } from '../support/releases.ts';
import { presignByHand, signByHand, type HandKey } from '../support/sigv4.ts';
import { patience, rounds } from '../support/torture.ts';
import type { World } from '../support/world.ts';

interface RawParameter {
  readonly $ref?: string;
  readonly name: string;
  readonly in: string;
  readonly schema: { readonly $ref?: string; readonly type?: string; readonly pattern?: string };
}

interface RawOperation {
  readonly operationId?: string;
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly RawParameter[];
}

const methods = new Set(['get', 'head', 'post', 'put', 'patch', 'delete', 'options']);
const openapi = parse(readFileSync('openapi.yaml', 'utf8')) as {
  readonly paths: Record<string, Record<string, RawOperation>>;
  readonly components: { readonly parameters: Record<string, RawParameter> };
};

/** A query parameter with a value that its schema takes; undefined for what is in no query, or is a credential. */
function filledIn(raw: RawParameter): string | undefined {
  const {
    name,
    in: place,
    schema,
  } = raw.$ref === undefined ? raw : openapi.components.parameters[raw.$ref.split('/').pop()!]!;
  if (place !== 'query' || name === 'capability') return undefined;
  if (schema.$ref !== undefined) return `${name}=${name === 'event_type' ? 'audit' : 'image'}`;
  if (schema.pattern !== undefined) return `${name}=${'0'.repeat(128)}`;
  return `${name}=${schema.type === 'integer' ? '1' : name === 'include_artifacts' ? 'true' : 'owner'}`;
}

const operations = Object.entries(openapi.paths).flatMap(([path, of]) =>
  Object.entries(of)
    .filter(([method, one]) => methods.has(method) && one.operationId !== undefined)
    .map(([method, { operationId: id, security = [{ token: [] }], parameters = [] }]) => ({
      id: id!,
      method: method.toUpperCase(),
      path,
      kinds: security.flatMap((one) => Object.keys(one)),
      roles: security.find((one) => one['operator'])?.['operator'],
      parameters: parameters.flatMap((one) => filledIn(one) ?? []),
    })),
);

/** Routes that anybody may ask, by name: one that is opened by mistake is not among them. */
const open = [
  'home',
  'pushForm',
  'style',
  'docs',
  'guide',
  'guideInFolder',
  'book',
  'bookAsJson',
  'livez',
  'readyz',
  'healthz',
  'live',
  'ready',
  'health',
  'login',
  'uploadLimits',
  'tusOptions',
  'artifactDataLimits',
  'resolveDownload',
  'headDownload',
];

/** Who may: the owner of the things, `system`, an operator, a customer. */
type By = 'owner' | 'system' | 'admin' | 'customer';

interface Sent {
  readonly json?: unknown;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

let places: Readonly<Record<string, string>> = {};
const at = (name: string): string => places[name]!;
const bytes = (headers: Readonly<Record<string, string>> = {}): Sent => ({
  body: 'other bytes',
  headers: { 'content-type': 'application/octet-stream', ...headers },
});
const tus = { 'tus-resumable': '1.0.0' };
const item = (): Sent => ({ json: { key: 'k', value: 'changed' } });
const value = (): Sent => ({ json: { value: 'changed' } });
const label = (): Sent => ({ json: { blob_uuid: at('blob') } });
const namedKey = (): Sent => ({ json: { key_name: 'second', key: 'a-key-that-was-changed' } });
const none = (): Sent => ({});

/** Each route: who may, and a valid request. What removes things comes last. */
const routes: Readonly<Record<string, readonly [by: By, sent: () => Sent]>> = {
  metrics: ['system', none],
  listUploads: ['owner', none],
  headUpload: ['owner', none],
  getUpload: ['owner', none],
  listAccessKeys: ['owner', none],
  listBuckets: ['owner', none],
  getBucket: ['owner', none],
  bucketUsage: ['owner', none],
  storageUsage: ['owner', none],
  tusHead: ['owner', () => ({ headers: tus })],
  listArtifacts: ['owner', none],
  getArtifact: ['owner', none],
  listVersions: ['owner', none],
  listArtifactEvents: ['owner', none],
  getArtifactData: ['owner', none],
  headArtifactData: ['owner', none],
  getVersionData: ['owner', none],
  headVersionData: ['owner', none],
  getBlobData: ['owner', none],
  headBlobData: ['owner', none],
  listBlobs: ['system', none],
  getBlob: ['owner', none],
  findBlob: ['owner', none],
  getBlobChecksum: ['owner', none],
  listBlobEvents: ['owner', none],
  getArtifactMetadata: ['owner', none],
  getBlobMetadata: ['owner', none],
  getNamespaceMetadata: ['owner', none],
  getInstanceMetadata: ['owner', none],
  listNamespaces: ['owner', none],
  getNamespace: ['owner', none],
  listKeys: ['owner', none],
  introspectCustomerKey: ['customer', none],
  listCustomers: ['admin', none],
  getCustomer: ['admin', none],
  listEntitlements: ['admin', none],
  listAudits: ['admin', none],
  listReleases: ['admin', none],
  getRelease: ['admin', none],
  sha256Sums: ['admin', none],
  sha512Sums: ['admin', none],
  createDownloadToken: ['customer', () => ({ json: { artifact_id: at('file') } })],
  beginUpload: ['owner', none],
  appendUpload: ['owner', () => bytes({ 'upload-offset': '5' })],
  patchUpload: [
    'owner',
    () =>
      bytes({
        'content-type': 'application/partial-upload',
        'upload-offset': '16',
        'upload-complete': '?0',
        'upload-draft-interop-version': '8',
      }),
  ],
  tusCreate: ['owner', () => ({ headers: { ...tus, 'upload-length': '5' } })],
  tusAppend: [
    'owner',
    () => ({
      body: 'x',
      headers: { ...tus, 'content-type': 'application/offset+octet-stream', 'upload-offset': '27' },
    }),
  ],
  convertUpload: ['owner', () => ({ json: { blob_uuid: at('blob'), namespace: 'owner' } })],
  createAccessKey: ['owner', () => ({ json: { name: 'more', permissions: { read: true } } })],
  createBucket: ['owner', () => ({ json: { name: 'b-another' } })],
  changeBucket: ['owner', () => ({ json: { public: true } })],
  setBucketCors: ['owner', () => ({ json: { rules: [{ allowed_origins: ['*'], allowed_methods: ['GET'] }] } })],
  presignObject: ['owner', () => ({ json: { key: 'k', operation: 'get' } })],
  setQuota: ['system', () => ({ json: { quota_bytes: 10_000_000 } })],
  grantUpload: ['owner', () => ({ json: { artifact: 'granted', max_size: 10 } })],
  fetchArtifact: ['owner', () => ({ json: { url: 'http://127.0.0.1:9/nothing', namespace: 'owner' } })],
  setMaxVersions: ['owner', () => ({ json: { max_versions: 5 } })],
  shareArtifact: ['owner', none],
  unshareArtifact: ['owner', none],
  putArtifactData: ['owner', () => bytes()],
  postArtifactData: ['owner', () => bytes()],
  updateLabel: ['owner', label],
  getLabel: ['owner', none],
  updateLabelElsewhere: ['owner', label],
  getLabelElsewhere: ['owner', none],
  addArtifactMetadata: ['owner', item],
  setArtifactMetadata: ['owner', value],
  addBlobMetadata: ['owner', item],
  setBlobMetadata: ['owner', value],
  addNamespaceMetadata: ['owner', item],
  setNamespaceMetadata: ['owner', value],
  addInstanceMetadata: ['owner', item],
  setInstanceMetadata: ['owner', value],
  createNamespace: ['system', () => ({ json: { namespace: 'third' } })],
  addKey: ['owner', namedKey],
  replaceKeyByBody: ['owner', namedKey],
  replaceKey: ['owner', () => ({ json: { key: 'a-key-that-was-changed' } })],
  addTrust: ['owner', () => ({ json: { external_namespace: 'stranger' } })],
  createCustomer: ['admin', () => ({ json: { name: 'More' } })],
  changeCustomer: ['admin', () => ({ json: { name: 'Changed' } })],
  createEntitlement: ['admin', () => ({ json: { product: 'other', starts_at: 0 } })],
  changeEntitlement: ['admin', () => ({ json: { ends_at: null } })],
  createCustomerKey: ['admin', () => ({ json: { customer_id: at('customer_id') } })],
  createRelease: ['admin', () => ({ json: { product: 'app', version: '9.9.9' } })],
  publishRelease: ['admin', none],
  unpublishRelease: ['admin', none],
  presignArtifact: ['admin', () => ({ json: { filename: 'f', platform: 'p' } })],
  registerArtifact: [
    'admin',
    () => ({
      json: { artifact_id: at('file'), object_key: at('object'), checksum: '0'.repeat(64), size: 1, platform: 'p' },
    }),
  ],
  revokeCustomerKey: ['admin', () => ({ json: { api_key_id: at('customerKey') } })],
  removeTrust: ['owner', none],
  deleteKey: ['owner', none],
  deleteArtifactMetadata: ['owner', none],
  deleteBlobMetadata: ['owner', none],
  deleteNamespaceMetadata: ['owner', none],
  deleteInstanceMetadata: ['owner', none],
  deleteLabel: ['owner', none],
  deleteLabelElsewhere: ['owner', none],
  truncateUpload: ['owner', none],
  tusTerminate: ['owner', () => ({ headers: tus })],
  dropUpload: ['owner', none],
  revokeAccessKey: ['owner', none],
  deleteBucket: ['owner', none],
  deleteVersion: ['owner', none],
  deleteArtifact: ['owner', none],
  deleteArtifacts: ['owner', () => ({ json: { confirm: true, namespace: 'owner' } })],
  deleteEntitlement: ['admin', none],
  deleteRelease: ['admin', none],
  deleteNamespace: ['system', none],
};

interface Credential {
  readonly name: string;
  /** What it is good for: kinds of `openapi.yaml`, roles, and the route it is asked with. */
  readonly mayBeFor: (operation: (typeof operations)[number]) => boolean;
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: string;
}

let releasy: Releasy;
let issuer: Issuer;
let world: World;
let credentials: Credential[];
let root: HandKey;
const bearer = (token: string): Readonly<Record<string, string>> => ({ authorization: `Bearer ${token}` });
const basic = ({ accessKeyId, secretAccessKey }: HandKey): Readonly<Record<string, string>> => ({
  authorization: `Basic ${Buffer.from(`${accessKeyId}:${secretAccessKey}`).toString('base64')}`,
});
const permissions = ['read', 'write', 'delete', 'admin'] as const;

/** The routes whose path, and not the caller, says whose things are meant. */
const isForeign = (path: string): boolean => /\{(?:uuid|ref|bucket|namespace|id)\}/.test(path);

beforeAll(async () => {
  issuer = await Issuer.open();
  await issuer.add('first');
  releasy = await openReleasy({
    RELEASY_OPERATOR_JWKS_URL: issuer.url,
    // The limit of wrong keys must not answer in place of the check of rights.
    STOWAGE_LOGIN_FAILURES: '1000000',
  });
  ({ world } = releasy);
  for (const name of ['owner', 'stranger', 'friend']) await world.addNamespace(name);
  await world.get('POST', '/auth/namespaces/friend/trust', { as: 'friend', json: { external_namespace: 'owner' } });
  const expired = await world.token('owner');
  world.clock.move(3_600_000);
  const artifact = await world.push('thing', Buffer.from('the bytes of the owner'), { as: 'owner' });
  const upload = await world.upload(Buffer.from('begun'), 'owner');
  for (const name of ['b-owner', 'b-elsewhere'])
    await world.ask('POST', '/api/storage/buckets', { as: 'owner', json: { name } });
  root = await world.accessKey('owner');
  const key = await world.accessKey('owner', { permissions: { read: true } });
  const { release, slot } = await releasy.published('bytes of a release');
  const customer = await releasy.customer();
  places = {
    ref: artifact.uuid,
    index: '1',
    name: 'thing',
    namespace: 'owner',
    other: 'stranger',
    key: 'k',
    key_name: 'second',
    id: key.accessKeyId,
    bucket: 'b-owner',
    offset: '0',
    algorithm: 'sha512',
    hash: artifact.sha512,
    customer_id: customer.id,
    entitlement_id: customer.entitlement,
    release_id: release.id,
    blob: artifact.blob_uuid,
    upload,
    file: slot.artifact_id,
    object: slot.object_key,
    customerKey: customer.keyId,
  };
  const second = { key_name: 'second', key: 'the-second-key-of-the-owner' };
  await world.get('POST', '/auth/namespaces/owner/keys', { as: 'owner', json: second });
  const revoked = await world.accessKey('owner');
  await world.ask('DELETE', `/api/storage/keys/${revoked.accessKeyId}`, { as: 'owner' });
  const { capability, put: grant } = (
    await world.ask('POST', '/capabilities', { as: 'owner', json: { artifact: 'granted', max_size: 10 } })
  ).json<{ capability: string; put: string }>();
  const token = await world.token('owner');
  const narrow = await releasy.customer('app', { scopes: ['audit:read'] });
  const download = new URL(await releasy.downloadUrl(customer.key, slot.artifact_id)).pathname.split('/').pop()!;
  const signed = new URL(
    presignByHand({ key: root, method: 'GET', url: new URL(`${world.s3Url}/b-owner/k`), at: world.clock.now() }),
  );
  const never = (): boolean => false;
  const byToken = ({ kinds, path }: (typeof operations)[number]): boolean =>
    kinds.includes('token') && !isForeign(path);
  const nobody: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ['nothing', {}],
    ['an empty token', bearer('')],
    ['a word', bearer('nonsense')],
    ['a changed token', bearer(`${token.slice(0, -4)}${token.endsWith('AAAA') ? 'BBBB' : 'AAAA'}`)],
    [
      'a token that nobody signed',
      bearer(`${Buffer.from('{"alg":"none"}').toString('base64url')}.${token.split('.')[1]!}.`),
    ],
    ['an expired token', bearer(expired)],
    ['another scheme', { authorization: `Digest ${token}` }],
    ['a capability as a token', bearer(capability)],
    ['a download token as a token', bearer(download)],
    ['a revoked access key', basic(revoked)],
    ['an access key with a wrong secret', basic({ ...key, secretAccessKey: 'wrong' })],
    ['a wrong admin key', { 'x-releasy-admin-key': `${adminKey}x` }],
    ['a wrong customer key', { 'x-releasy-api-key': `${customer.key}x` }],
    ['a claimed name', { 'x-namespace': 'owner', 'x-forwarded-for': '127.0.0.1' }],
    ['a customer key for audit:read alone', { 'x-releasy-api-key': narrow.key }],
  ];
  credentials = [
    ...nobody.map(([name, headers]) => ({ name, headers, mayBeFor: never })),
    {
      name: 'a capability for another name',
      query: `capability=${encodeURIComponent(capability)}`,
      mayBeFor: ({ id }) => id === 'tusCreate',
    },
    { name: 'a presigned URL of S3', query: signed.search.slice(1), mayBeFor: never },
    {
      name: 'a customer key',
      headers: { 'x-releasy-api-key': customer.key },
      mayBeFor: ({ kinds }) => kinds.includes('customerKey'),
    },
    {
      name: 'the admin key',
      headers: { 'x-releasy-admin-key': adminKey },
      mayBeFor: ({ kinds }) => kinds.includes('operator'),
    },
    ...(await Promise.all(
      ['platform_admin', 'platform_support', 'release_publisher', 'another_role'].map(async (role) => ({
        name: `an operator who is ${role}`,
        headers: bearer(await issuer.mint({ roles: [role] }, { exp: Math.floor(world.clock.now() / 1000) + 36_000 })),
        mayBeFor: ({ roles }: (typeof operations)[number]) =>
          roles !== undefined && ((roles.length === 0 && role !== 'another_role') || roles.includes(role)),
      })),
    )),
    ...(await Promise.all(
      Array.from({ length: 15 }, async (_, bits) => {
        const held = Object.fromEntries(permissions.map((one, n) => [one, ((bits + 1) & (1 << n)) !== 0]));
        const headers = basic(await world.accessKey('stranger', { permissions: held }));
        return {
          name: `an access key of another namespace for ${JSON.stringify(held)}`,
          headers,
          mayBeFor: ({ kinds, path }: (typeof operations)[number]) => kinds.includes('accessKey') && !isForeign(path),
        };
      }),
    )),
    {
      name: 'an access key for another bucket',
      headers: basic(await world.accessKey('owner', { buckets: ['b-elsewhere'] })),
      mayBeFor: ({ kinds, path }) => kinds.includes('accessKey') && !path.includes('{bucket}'),
    },
    // Trust lets `owner` into `friend`, and not the other way round.
    {
      name: 'the token of a namespace that trusts the owner',
      headers: bearer(await world.token('friend')),
      mayBeFor: byToken,
    },
    { name: 'the token of another namespace', headers: bearer(await world.token('stranger')), mayBeFor: byToken },
  ];
  expect(grant).toContain(encodeURIComponent(capability));
  await s3('PUT', '/b-owner/k', 'x');
}, 120_000);
afterAll(async () => {
  await world.close();
  await issuer.close();
});

const pathOf = (path: string): string =>
  path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const place = name === 'uuid' ? places[path.startsWith('/blobs') ? 'blob' : 'upload'] : places[name];
    if (place === undefined) throw new Error(`no place for ${name}`);
    return encodeURIComponent(place);
  });

async function send(method: string, path: string, { json, body, headers = {} }: Sent): Promise<number> {
  const answer = await fetch(`${world.url}${path}`, {
    method,
    redirect: 'manual',
    headers: { ...headers, ...(json === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(json !== undefined ? { body: JSON.stringify(json) } : body === undefined ? {} : { body }),
  });
  await answer.arrayBuffer();
  return answer.status;
}

async function s3(
  method: string,
  target: string,
  body = '',
  headers: Readonly<Record<string, string>> = {},
  key = root,
): Promise<readonly [number, string]> {
  const url = new URL(`${world.s3Url}${target}`);
  const signed = signByHand({ key, method, url, at: world.clock.now() }, headers, body);
  const answer = await fetch(url, { method, headers: signed, ...(body === '' ? {} : { body }) });
  return [answer.status, await answer.text()];
}

/** What the owner, and the operators, see of what is theirs. */
async function state(): Promise<readonly (readonly [string, string])[]> {
  const seen: [string, string][] = [];
  const plainly = (text: string): string =>
    text.replaceAll(/"\w*(?:_used|touched_at|expires_at)":[^,}]+/g, '').replaceAll(/<(RequestId|HostId)>[^<]*/g, '');
  const look = async (as: string | null, path: string, headers = {}): Promise<void> => {
    const answer = await world.ask('GET', path, { as, headers });
    seen.push([path, `${answer.status} ${plainly(answer.bytes.toString())}`]);
  };
  const thing = `/artifacts/${at('ref')}`;
  const paths = [
    '/artifacts',
    thing,
    `${thing}/versions`,
    `${thing}/metadata`,
    `${thing}/data`,
    `/blobs/${at('blob')}/metadata`,
    `/upload/${at('upload')}`,
    '/upload',
    '/api/storage/keys',
    '/api/storage/buckets',
    '/auth/namespaces/owner',
    '/auth/namespaces/owner/keys',
    '/auth/namespaces/owner/metadata',
    '/api/storage/buckets/b-owner/usage',
  ];
  for (const path of paths) await look('owner', path);
  for (const path of [
    '/v1/releases?include_artifacts=true',
    '/v1/admin/customers',
    `/v1/admin/customers/${at('customer_id')}/entitlements`,
  ]) {
    await look(null, path, { 'x-releasy-admin-key': adminKey });
  }
  const parts = [
    'acl',
    'policy',
    'cors',
    'tagging',
    'lifecycle',
    'versioning',
    'object-lock',
    'ownershipControls',
    'publicAccessBlock',
    'versions',
    'uploads',
  ];
  for (const target of [
    ...parts.map((part) => `/b-owner?${part}=`),
    '/b-owner/k',
    ...['acl', 'tagging', 'retention', 'legal-hold'].map((part) => `/b-owner/k?${part}=`),
  ]) {
    const [status, text] = await s3('GET', target);
    seen.push([target, `${status} ${plainly(text)}`]);
  }
  return seen;
}

/** Ways to send the same request that must not matter: what proxies add, and each query parameter that the operation knows. */
function variantsOf({ parameters }: (typeof operations)[number]): readonly {
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
}[] {
  const forwarded = {
    'x-forwarded-for': '127.0.0.1',
    'x-real-ip': '127.0.0.1',
    'x-forwarded-user': 'owner',
    cookie: 'session=owner',
  };
  return [
    { query: '', headers: {} },
    { query: '', headers: forwarded },
    ...parameters.map((query) => ({ query, headers: {} })),
  ];
}

/** Every route with every credential that is not for it. */
function casesOf(which: (id: string) => boolean = () => true): Case[] {
  return operations
    .filter(({ kinds, id }) => kinds.length > 0 && which(id))
    .flatMap((operation) => {
      const { id, method, path } = operation;
      const wrong = credentials.filter(({ mayBeFor }) => !mayBeFor(operation));
      return wrong.flatMap(({ name, headers: proof, query }) =>
        variantsOf(operation).map((variant): Case => ({
          name: `${id} with ${name} ${variant.query || JSON.stringify(variant.headers)}`,
          wanted: /^40[134]$/,
          ask: async () => {
            const sent = routes[id]![1]();
            const words = [query, variant.query].filter(Boolean).join('&');
            const headers = { ...sent.headers, ...variant.headers, ...proof };
            return String(
              await send(method, `${pathOf(path)}${words === '' ? '' : `?${words}`}`, { ...sent, headers }),
            );
          },
        })),
      );
    });
}

test('the routes that anybody may ask are these, and every other one has a row', () => {
  expect(
    operations
      .filter(({ kinds }) => kinds.length === 0)
      .map(({ id }) => id)
      .toSorted(),
  ).toEqual(open.toSorted());
  expect(
    operations
      .filter(({ kinds }) => kinds.length > 0)
      .map(({ id }) => id)
      .toSorted(),
  ).toEqual(Object.keys(routes).toSorted());
});

test(
  'no route lets in a credential that is not for it, and nothing is changed',
  async () => {
    const before = await state();
    const { cases, wrong } = await hold('routes', casesOf(), 200);
    expect(wrong).toEqual([]);
    expect(await state()).toEqual(before);
    expect(cases).toBeGreaterThanOrEqual(rounds(200, 5000));
  },
  patience,
);

/** Asks as `system`, whoever asked. */
const asSystem = ({ generation: _, ...who }: Principal): Principal => ({ ...who, namespace: 'system' });

test('twin: a server that shows every artifact to everybody who is logged in is found', async () => {
  const { artifacts } = world.core;
  const reads = casesOf((id) => ['getArtifact', 'listVersions', 'getArtifactData', 'getArtifactMetadata'].includes(id));
  const { wrong } = await whileBroken(
    artifacts,
    'get',
    (real) => (who, ref, type) => real(asSystem(who), ref, type),
    () => ask(reads),
  );
  for (const id of ['getArtifact', 'listVersions', 'getArtifactData']) {
    expect(wrong).toContainEqual(expect.stringContaining(`${id} with the token of another namespace`));
  }
  expect((await ask(reads)).wrong).toEqual([]);
});

test('twin: a server that takes any key for one of system is found', async () => {
  const keys = casesOf((id) => ['getBucket', 'bucketUsage', 'listBuckets', 'presignObject'].includes(id));
  const holed = await whileBroken(
    world.core.accessKeys,
    'open',
    (real) => async (id) => {
      const opened = await real(id);
      return opened && { ...opened, who: asSystem(opened.who) };
    },
    () => ask(keys),
  );
  expect(holed.wrong).toContainEqual(expect.stringContaining('getBucket with an access key of another namespace'));
});

test('twin: a server that deletes what it says that it does not is found by the state of the owner', async () => {
  const { uuid } = await world.push('doomed', Buffer.from('doomed'), { as: 'owner' });
  const kept = places;
  places = { ...places, ref: uuid };
  const before = await state();
  const { wrong } = await whileBroken(
    world.core.artifacts,
    'remove',
    (real) => async (who, ref) => {
      await real(asSystem(who), ref);
      throw new Refusal('not_found', 'artifact not found');
    },
    () => ask(casesOf((id) => id === 'deleteArtifact')),
  );
  expect(wrong).toEqual([]);
  expect(await state()).not.toEqual(before);
  places = kept;
});

/** Refused to their owner, too: only `system` shares, a release is published once, and a slot is registered once. */
const refusedToAll: Readonly<Record<string, number>> = {
  shareArtifact: 403,
  unshareArtifact: 403,
  publishRelease: 400,
  registerArtifact: 400,
};

test('the same requests are good ones: those whom they are for are not refused', async () => {
  const headersOf = async (by: By): Promise<Readonly<Record<string, string>>> =>
    by === 'admin'
      ? { 'x-releasy-admin-key': adminKey }
      : by === 'customer'
        ? { 'x-releasy-api-key': customerKey }
        : bearer(await world.token(by));
  const { key: customerKey } = await releasy.customer();
  const refused: string[] = [];
  for (const [id, [by, sent]] of Object.entries(routes)) {
    const { method, path } = operations.find((one) => one.id === id)!;
    const one = sent();
    const status = await send(method, pathOf(path), { ...one, headers: { ...one.headers, ...(await headersOf(by)) } });
    // What an earlier row changed or removed may be in conflict, or gone.
    if (status !== refusedToAll[id] && ![200, 201, 204, 404, 409].includes(status)) refused.push(`${id}: ${status}`);
  }
  expect(refused).toEqual([]);
}, 120_000);
