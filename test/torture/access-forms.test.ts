/** POST forms that differ from what was signed, or whose key lacks the right. A refused form stores nothing. */
import { createHmac } from 'node:crypto';
import { ask, hold, whileBroken, type Case } from '../support/matrix.ts';
import { demandSigned, formHeaders, formOf, permissions, readSigned, sendPlain } from '../support/s3-operations.ts';
import { signForm, type HandKey } from '../support/sigv4.ts';
import { patience } from '../support/torture.ts';
import { openWorld, type World } from '../support/world.ts';

type Fields = Readonly<Record<string, string>>;

let world: World;
let owner: HandKey;
const keys = new Map<string, HandKey>();
const buckets = ['b-form', 'b-other', 'b-strange', 'b-public', 'b-denied'] as const;
type Bucket = (typeof buckets)[number];

beforeAll(async () => {
  world = await openWorld({ env: { STOWAGE_LOGIN_FAILURES: '1000000' } });
  for (const name of ['owner', 'stranger']) await world.addNamespace(name);
  owner = await world.accessKey('owner');
  const stranger = await world.accessKey('stranger');
  keys.set('the owner', owner).set('a stranger', stranger);
  for (const bucket of buckets)
    await demandSigned(world, bucket === 'b-strange' ? stranger : owner, { method: 'PUT', target: `/${bucket}` });
  await demandSigned(world, owner, {
    method: 'PUT',
    target: '/b-public?acl',
    headers: { 'x-amz-acl': 'public-read-write' },
  });
  const policy = {
    Statement: { Effect: 'Deny', Principal: '*', Action: 's3:PutObject', Resource: 'arn:aws:s3:::b-denied/*' },
  };
  await demandSigned(world, owner, { method: 'PUT', target: '/b-denied?policy', body: JSON.stringify(policy) });
  for (let bits = 1; bits < 16; bits += 1) {
    const held = permissions.filter((_one, at) => (bits & (1 << at)) !== 0);
    const wish = { permissions: Object.fromEntries(held.map((one) => [one, true])) };
    if (!held.includes('write'))
      keys.set(`the owner's key for ${held.join('+')}`, await world.accessKey('owner', wish));
  }
  keys.set('a key for another bucket', await world.accessKey('owner', { buckets: ['b-other'] }));
  const revoked = await world.accessKey('owner');
  await world.ask('DELETE', `/api/storage/keys/${revoked.accessKeyId}`, { as: 'owner' });
  keys.set('a revoked key', revoked);
  keys.set("the owner's id with another's secret", { ...owner, secretAccessKey: stranger.secretAccessKey });
}, 60_000);
afterAll(() => world.close());

/** What is signed, and what is then sent. */
interface Deviation {
  readonly name: string;
  readonly said: RegExp;
  readonly by?: string;
  /** The bucket that is signed for, and the one that is posted to. */
  readonly signedFor?: Bucket;
  readonly bucket?: Bucket;
  /** Fields that are signed beside the key. */
  readonly fields?: Fields;
  /** Whether the policy names the key as it is; otherwise a condition does. */
  readonly namesKey?: boolean;
  readonly key?: string;
  readonly conditions?: readonly unknown[];
  /** Milliseconds that the form is old. */
  readonly age?: number;
  /** Changes what was signed. */
  readonly change?: (signed: Fields) => Fields;
  readonly file?: string;
  readonly headers?: Fields;
}

const denied = /^403 AccessDenied$/;
const unread = /^400 (?:InvalidArgument|InvalidPolicyDocument|MalformedPOSTRequest)$/;
const mismatch = /^403 SignatureDoesNotMatch$/;
const without =
  (...names: readonly string[]) =>
  (signed: Fields): Fields =>
    Object.fromEntries(Object.entries(signed).filter(([name]) => !names.includes(name)));
/** Without anything that proves who signed. */
const unsigned = without(
  'policy',
  'x-amz-signature',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-algorithm',
  'AWSAccessKeyId',
  'signature',
);
const withPolicy =
  (change: (policy: Record<string, unknown>) => unknown) =>
  (signed: Fields): Fields => {
    const policy = JSON.parse(Buffer.from(signed['policy']!, 'base64').toString()) as Record<string, unknown>;
    return { ...signed, policy: Buffer.from(JSON.stringify(change(policy))).toString('base64') };
  };

/** Fields that a form may have only where its policy names them. */
const extras: Fields = {
  acl: 'public-read',
  'x-amz-acl': 'public-read',
  'x-amz-grant-read': 'uri="http://acs.amazonaws.com/groups/global/AllUsers"',
  'Content-Type': 'text/html',
  'Cache-Control': 'no-store',
  'Content-Disposition': 'inline',
  'Content-Encoding': 'gzip',
  Expires: 'never',
  'x-amz-meta-a': 'b',
  'x-amz-storage-class': 'STANDARD',
  'x-amz-tagging': 'a=b',
  tagging: '<Tagging><TagSet/></Tagging>',
  success_action_redirect: 'http://127.0.0.1/',
  redirect: 'http://127.0.0.1/',
  'x-amz-object-lock-mode': 'COMPLIANCE',
  'x-amz-object-lock-legal-hold': 'ON',
  'x-amz-copy-source': '/b-other/k',
  'x-amz-security-token': 'x',
  'x-amz-website-redirect-location': '/',
  'x-amz-bypass-governance-retention': 'true',
  'x-anything': 'x',
  another: 'x',
};

const startsWith = (start: string): Pick<Deviation, 'namesKey' | 'conditions'> => ({
  namesKey: false,
  conditions: [['starts-with', '$key', start]],
});
const escaped: readonly (readonly [start: string, key: string, ok: boolean])[] = [
  ['user/', 'admin/x', false],
  ['user/', '/user/x', false],
  ['user/', 'User/x', false],
  ['user/', 'user', false],
  ['user/', '', false],
  ['user/', '../user/x', false],
  ['user/', ' user/x', false],
  ['user/', 'user%2Fx', false],
  ['user/', './user/x', false],
  // A key is a text: what would be a way out of a folder is a part of its name.
  ['user/', 'user/../admin', true],
  ['user/', 'user/..%2Fadmin', true],
  ['user/', 'user//x', true],
  ['', 'anything', true],
];

function deviations(): Deviation[] {
  const who = [...keys.keys()].filter((name) => name !== 'the owner');
  return [
    {
      name: 'nothing signed',
      said: denied,
      change: unsigned,
    },
    { name: 'no signature', said: unread, change: without('x-amz-signature', 'signature') },
    { name: 'no policy', said: unread, change: without('policy') },
    {
      name: 'a policy that was changed',
      said: mismatch,
      change: withPolicy((policy) => ({ ...policy, conditions: [['starts-with', '$key', '']] })),
    },
    {
      name: 'a policy that was made to last',
      said: mismatch,
      change: withPolicy((policy) => ({ ...policy, expiration: '2100-01-01T00:00:00Z' })),
    },
    { name: 'an expired policy', said: denied, age: 7_200_000 },
    { name: 'a policy that expired a moment ago', said: denied, age: 3_601_000 },
    { name: 'a form for another bucket', said: denied, signedFor: 'b-other' },
    { name: 'a form for a bucket of the stranger', said: denied, bucket: 'b-strange' },
    { name: 'a form for its bucket in one of the stranger', said: denied, signedFor: 'b-form', bucket: 'b-strange' },
    { name: 'a bucket whose policy denies it', said: denied, bucket: 'b-denied' },
    { name: 'another bucket as a field', said: denied, change: (signed) => ({ ...signed, bucket: 'b-other' }) },
    { name: 'another key', said: denied, change: (signed) => ({ ...signed, key: 'another' }) },
    { name: 'the name of the file as its key', said: denied, change: (signed) => ({ ...signed, key: '${filename}' }) },
    { name: 'no key', said: unread, change: without('key') },
    {
      name: 'another date',
      said: denied,
      fields: { 'x-amz-meta-a': 'b' },
      change: (signed) => ({ ...signed, 'x-amz-meta-a': 'c' }),
    },
    {
      name: 'a signed field that is missing',
      said: denied,
      fields: { 'x-amz-meta-a': 'b' },
      change: without('x-amz-meta-a'),
    },
    {
      name: 'a list that is not the one that was signed',
      said: denied,
      fields: { acl: 'private' },
      change: (signed) => ({ ...signed, acl: 'public-read' }),
    },
    {
      name: 'a file that is too long',
      said: /^400 EntityTooLarge$/,
      conditions: [['content-length-range', 0, 3]],
      file: 'four',
    },
    {
      name: 'a file that is too short',
      said: /^400 EntityTooSmall$/,
      conditions: [['content-length-range', 9, 99]],
      file: 'four',
    },
    {
      name: 'a file for no range',
      said: /^400 Entity/,
      conditions: [
        ['content-length-range', 0, 9],
        ['content-length-range', 20, 30],
      ],
      file: 'four',
    },
    { name: 'a condition of an unknown kind', said: unread, conditions: [['ends-with', '$key', 'x']] },
    { name: 'a condition of a field that is not there', said: denied, conditions: [['eq', '$x-amz-meta-none', 'x']] },
    { name: 'a beginning that is not there', said: denied, conditions: [['starts-with', '$x-amz-meta-none', 'x']] },
    {
      name: 'headers beside nothing signed',
      said: denied,
      headers: { 'x-amz-user-agent': 'owner' },
      change: unsigned,
    },
    { name: 'nothing else', said: /^20[0134]$/ },
    { name: 'its bucket as a field', said: /^20[0134]$/, change: (signed) => ({ ...signed, bucket: 'b-form' }) },
    { name: 'a field that is ignored', said: /^20[0134]$/, change: (signed) => ({ ...signed, 'x-ignore-me': 'x' }) },
    ...who.map((by): Deviation => ({
      name: `a signature by ${by}`,
      by,
      said: by.includes('secret') ? mismatch : by.includes('revoked') ? /^403 InvalidAccessKeyId$/ : denied,
    })),
    ...Object.entries(extras).flatMap(([field, value]): Deviation[] =>
      [field, field.toUpperCase()].map((name) => ({
        name: `a field ${name} that was not signed`,
        said: denied,
        change: (signed) => ({ ...signed, [name]: value }),
      })),
    ),
    ...Object.entries(extras)
      .filter(([field]) => field.includes('acl') || field.includes('grant'))
      .map(([field, value]): Deviation => ({
        name: `a field ${field} beside nothing signed in a bucket that is not public`,
        said: denied,
        change: (signed) => ({ key: signed['key']!, [field]: value }),
      })),
    ...escaped.map(([start, key, ok]): Deviation => ({
      name: `the key ${JSON.stringify(key)} for those that begin with ${JSON.stringify(start)}`,
      key,
      ...startsWith(start),
      said: ok ? /^20[0134]$/ : key === '' ? unread : denied,
    })),
  ];
}

/** The same form signed in the way that came before Signature Version 4. */
function signedOld(key: HandKey, signed: Fields): Fields {
  const signature = createHmac('sha1', key.secretAccessKey).update(signed['policy']!).digest('base64');
  return { ...without('x-amz-signature')(signed), AWSAccessKeyId: key.accessKeyId, signature };
}

/** Keys of all objects of all buckets. */
async function there(): Promise<string> {
  const listings = await Promise.all(
    buckets.map((bucket) =>
      readSigned(world, keys.get(bucket === 'b-strange' ? 'a stranger' : 'the owner')!, {
        method: 'GET',
        target: `/${bucket}`,
      }),
    ),
  );
  return listings
    .map((text) => [...text.matchAll(/<Key>([^<]*)|<ETag>([^<]*)/g)].map(([whole]) => whole).join())
    .join('; ');
}

let count = 0;

function caseOf(deviation: Deviation, old: boolean, status: string | undefined): Case {
  const {
    name,
    said,
    by = 'the owner',
    bucket = 'b-form',
    signedFor = bucket,
    fields = {},
    namesKey = true,
    key: wished,
    conditions = [],
    age = 0,
    change = (signed) => signed,
    file,
    headers = {},
  } = deviation;
  return {
    name: `${name}, ${old ? 'the old signature' : 'a signature'}, ${status ?? 'no status'}`,
    wanted: said.test('204')
      ? /^20[0134] and something is put$/
      : new RegExp(`${said.source.replace(/\$$/, '(?= )')}.*and nothing is put$`),
    ask: async () => {
      const key = wished ?? `posted-${(count += 1)}`;
      const signer = keys.get(by)!;
      const own = {
        ...fields,
        ...(status === undefined ? {} : { success_action_status: status }),
        ...(namesKey ? { key } : {}),
      };
      const v4 = signForm(signer, signedFor, own, { at: Date.now() - age, conditions });
      const signed = { ...(old ? signedOld(signer, v4) : v4), key };
      const before = await there();
      const sent = {
        method: 'POST',
        target: `/${bucket}`,
        headers: { ...formHeaders, ...headers },
        body: formOf(change(signed), file ?? `file ${(count += 1)}`),
      };
      const answer = await sendPlain(world, sent);
      return `${answer} and ${(await there()) === before ? 'nothing' : 'something'} is put`;
    },
  };
}

const casesOf = (which: (name: string) => boolean = () => true): Case[] =>
  deviations()
    .filter(({ name }) => which(name))
    .flatMap((deviation) =>
      [false, true].flatMap((old) => [undefined, '200', '201', '204'].map((status) => caseOf(deviation, old, status))),
    );

test(
  'a form puts what was signed by a key that may, and nothing else',
  async () => {
    expect((await hold('forms', casesOf(), 60)).wrong).toEqual([]);
  },
  patience,
);

test('twin: a server that takes every right key for one of the owner is found', async () => {
  const { wrong } = await whileBroken(
    world.core.accessKeys,
    'open',
    (real) => async (id) => {
      const opened = await real(id);
      return opened && { ...opened, who: { ...opened.who, namespace: 'owner' } };
    },
    () => ask(casesOf((name) => name === 'a signature by a stranger')),
  );
  expect(wrong).toContainEqual(expect.stringContaining('204 and something is put'));
});

test('twin: a server whose clock stands still is found', async () => {
  const stands = Date.now() - 7_300_000;
  const expired = casesOf((name) => name === 'an expired policy');
  const { wrong } = await whileBroken(
    world.core.clock,
    'now',
    () => () => stands,
    () => ask(expired),
  );
  expect(wrong).toContainEqual(expect.stringContaining('204 and something is put'));
});
