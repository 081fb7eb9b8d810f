/**
 * Bucket policies with every operation: which requests a statement's principal, action, resource and condition allow
 * and deny.
 */
import { ask, hold, whileBroken, type Case } from '../support/matrix.ts';
import {
  callOf,
  demandSigned,
  groundOf,
  readSigned,
  refusedAs,
  rows,
  sendPlain,
  sendSigned,
  takenAs,
  type Ground,
  type HandCall,
} from '../support/s3-operations.ts';
import type { HandKey } from '../support/sigv4.ts';
import { patience } from '../support/torture.ts';
import { openWorld, type World } from '../support/world.ts';

type Caller = 'owner' | 'stranger' | 'friend' | 'nobody';

let world: World;
let ground: Ground;
let version: string;
const keys = new Map<Caller, HandKey>();
const bucket = 'b-policies';

beforeAll(async () => {
  world = await openWorld({ env: { STOWAGE_LOGIN_FAILURES: '1000000' } });
  for (const name of ['owner', 'stranger', 'friend'] as const) {
    await world.addNamespace(name);
    keys.set(name, await world.accessKey(name));
  }
  ground = await groundOf(world, keys.get('owner')!, bucket);
  const tagged = { 'x-amz-tagging': 'a=b' };
  const put = { method: 'PUT', target: `/${bucket}/tagged`, body: 'tagged', headers: tagged };
  await demandSigned(world, ground.owner, put);
  const listing = await readSigned(world, ground.owner, { method: 'GET', target: `/${bucket}?versions` });
  version = /<VersionId>([^<]+)/.exec(listing)![1]!;
}, 60_000);
afterAll(() => world.close());

/** What is asked, what policies call it, and what is answered. */
interface Asked {
  readonly name: string;
  readonly call: () => Promise<HandCall>;
  readonly actions: readonly string[];
  readonly taken: RegExp;
  readonly refused: RegExp;
}

const acl = { 'x-amz-acl': 'private' };
/** The same of a version that the request names: an action of its own. */
const ofVersions: readonly (readonly [actions: string, call: HandCall])[] = [
  ['GetObjectVersion', { method: 'GET', target: '/k' }],
  ['GetObjectVersion', { method: 'HEAD', target: '/k' }],
  ['GetObjectVersionAcl', { method: 'GET', target: '/k?acl' }],
  ['PutObjectVersionAcl', { method: 'PUT', target: '/k?acl', headers: acl }],
  ['DeleteObjectVersion', { method: 'DELETE', target: '/none' }],
  ['GetObjectVersionTagging', { method: 'GET', target: '/k?tagging' }],
  ['DeleteObjectVersionTagging', { method: 'DELETE', target: '/k?tagging' }],
  [
    'GetObjectVersionAttributes+GetObjectVersion',
    { method: 'GET', target: '/k?attributes', headers: { 'x-amz-object-attributes': 'ETag' } },
  ],
];

const asked = (): readonly Asked[] => [
  ...Object.entries(rows)
    .filter(([, { actions }]) => actions.length > 0)
    .map(([name, { actions }]): Asked => ({
      name,
      actions,
      call: () => callOf(name, ground),
      taken: takenAs(name),
      // A list of deletions tells each refusal in its answer.
      refused: name === 'DeleteObjects' ? /^(?:200|403) AccessDenied$/ : refusedAs(name),
    })),
  ...ofVersions.map(([action, call]): Asked => ({
    name: `${call.method} of ${action}`,
    actions: action.split('+'),
    call: () => {
      const target = `/${bucket}${call.target}${call.target.includes('?') ? '&' : '?'}versionId=${version}`;
      return Promise.resolve({ ...call, target });
    },
    taken: /^20\d$/,
    refused: call.method === 'HEAD' ? /^403$/ : /^403 AccessDenied$/,
  })),
];

/** What a request does beside its main action, each of which is an action of its own. */
const besides = (): readonly Asked[] => {
  const until = new Date(world.clock.now() + 3_600_000).toISOString();
  const held: readonly (readonly [action: string, headers: Readonly<Record<string, string>>])[] = [
    ['PutObjectTagging', { 'x-amz-tagging': 'a=b' }],
    ['PutObjectRetention', { 'x-amz-object-lock-mode': 'GOVERNANCE', 'x-amz-object-lock-retain-until-date': until }],
    ['PutObjectLegalHold', { 'x-amz-object-lock-legal-hold': 'OFF' }],
  ];
  const source = { 'x-amz-copy-source': `/${bucket}/tagged` };
  const replaced = { 'x-amz-copy-source': `/${bucket}/k`, 'x-amz-tagging-directive': 'REPLACE' };
  const of = (name: string, actions: string, call: HandCall): Asked => ({
    name,
    actions: actions.split('+'),
    call: () => Promise.resolve({ ...call, target: `/${bucket}${call.target}` }),
    taken: /^200$/,
    refused: /^403 AccessDenied$/,
  });
  return [
    ...held.flatMap(([action, headers]) => [
      of(`PutObject with ${action}`, `PutObject+${action}`, { method: 'PUT', target: '/part', body: 'x', headers }),
      of(`CreateMultipartUpload with ${action}`, `PutObject+${action}`, {
        method: 'POST',
        target: '/m?uploads',
        headers,
      }),
      of(`CopyObject with ${action}`, `PutObject+GetObject+${action}`, {
        method: 'PUT',
        target: '/copy',
        headers: { ...replaced, ...headers },
      }),
    ]),
    of('CopyObject of tags', 'PutObject+GetObject+PutObjectTagging+GetObjectTagging', {
      method: 'PUT',
      target: '/copy',
      headers: source,
    }),
  ];
};

type Statement = Readonly<Record<string, unknown>>;

const arn = `arn:aws:s3:::${bucket}`;
const everything = { Resource: [arn, `${arn}/*`] };
const named = (...names: readonly string[]): Statement => ({ Principal: { AWS: names } });
const toAll: Statement = { Principal: '*' };
const when = (operator: string, key: string, value: unknown): Statement => ({
  Condition: { [operator]: { [key]: value } },
});

/** Conditions that hold for every request of this test from somebody who signs it, and ones that hold for none. */
const conditions: readonly (readonly [name: string, condition: Statement, holds: boolean])[] = [
  ['its address', when('IpAddress', 'aws:SourceIp', ['127.0.0.0/8', '::1/128']), true],
  ['another address', when('IpAddress', 'aws:SourceIp', '192.0.2.0/24'), false],
  ['not its address', when('NotIpAddress', 'aws:SourceIp', ['127.0.0.0/8', '::1/128']), false],
  ['TLS', when('Bool', 'aws:SecureTransport', 'true'), false],
  ['no TLS', when('Bool', 'aws:SecureTransport', 'false'), true],
  ['a later time', when('DateGreaterThan', 'aws:CurrentTime', '2100-01-01T00:00:00Z'), false],
  ['an earlier time', when('DateGreaterThan', 'aws:CurrentTime', '2000-01-01T00:00:00Z'), true],
  ['a key that has no value', when('StringEquals', 'aws:SourceVpce', 'vpce-1'), false],
  ['a key that has no value, unless it has one', when('StringEqualsIfExists', 'aws:SourceVpce', 'vpce-1'), true],
  ['another referer', when('StringLike', 'aws:Referer', 'https://good.example/*'), false],
  ['no signature version 2', when('StringNotEquals', 's3:signatureversion', 'AWS'), true],
  [
    'two conditions of which one fails',
    {
      Condition: {
        ...(when('Bool', 'aws:SecureTransport', 'false')['Condition'] as object),
        NumericLessThan: { 'aws:EpochTime': '1' },
      },
    },
    false,
  ],
];

/** Statements for a request's actions, and who of the callers may then do it. */
type Shape = readonly [
  name: string,
  statements: (actions: readonly string[]) => readonly Statement[],
  may: readonly Caller[],
];

const allow = (...parts: readonly Statement[]): Statement =>
  Object.assign({ Effect: 'Allow', ...everything }, ...parts) as Statement;
const deny = (...parts: readonly Statement[]): Statement =>
  Object.assign({ Effect: 'Deny', ...everything }, ...parts) as Statement;
const these = (actions: readonly string[]): Statement => ({ Action: actions.map((action) => `s3:${action}`) });
const others = (actions: readonly string[]): Statement => ({ NotAction: actions.map((action) => `s3:${action}`) });

const shapes: readonly Shape[] = [
  ['an Allow of one principal', (actions) => [allow(named('stranger'), these(actions))], ['owner', 'stranger']],
  [
    'an Allow of an ARN',
    (actions) => [allow(named('arn:aws:iam::stranger:root'), these(actions))],
    ['owner', 'stranger'],
  ],
  [
    'an Allow of two principals',
    (actions) => [allow(named('stranger', 'friend'), these(actions))],
    ['owner', 'stranger', 'friend'],
  ],
  ['an Allow of everybody', (actions) => [allow(toAll, these(actions))], ['owner', 'stranger', 'friend', 'nobody']],
  ['an Allow of every other action', (actions) => [allow(toAll, others(actions))], ['owner']],
  ['an Allow of other resources', () => [allow(toAll, { Action: 's3:*', Resource: `${arn}/another/*` })], ['owner']],
  [
    'an Allow of all but every resource',
    () => [allow(toAll, { Action: 's3:*', NotResource: [arn, `${arn}/*`], Resource: undefined })],
    ['owner'],
  ],
  [
    'a Deny beside an Allow',
    (actions) => [allow(toAll, { Action: 's3:*' }), deny(named('stranger'), these(actions))],
    ['owner', 'friend', 'nobody'],
  ],
  [
    'a Deny before an Allow',
    (actions) => [deny(named('stranger', 'owner'), these(actions)), allow(toAll, { Action: '*' })],
    ['friend', 'nobody'],
  ],
  ['a Deny of everybody', (actions) => [allow(toAll, { Action: 's3:*' }), deny(toAll, these(actions))], []],
  [
    'a Deny of all but one',
    (actions) => [allow(toAll, { Action: 's3:*' }), deny({ NotPrincipal: { AWS: 'friend' } }, these(actions))],
    ['friend'],
  ],
  [
    'a Deny of every other action',
    (actions) => [allow(toAll, { Action: 's3:*' }), deny(toAll, others(actions))],
    ['owner', 'stranger', 'friend', 'nobody'],
  ],
  ...conditions.flatMap(([name, condition, holds]): Shape[] => [
    [
      `an Allow if ${name}`,
      (actions) => [allow(named('stranger'), these(actions), condition)],
      holds ? ['owner', 'stranger'] : ['owner'],
    ],
    [
      `a Deny if ${name}`,
      (actions) => [
        allow(named('stranger'), these(actions)),
        deny(named('stranger', 'owner'), these(actions), condition),
      ],
      holds ? [] : ['owner', 'stranger'],
    ],
  ]),
];

const callers: readonly Caller[] = ['owner', 'stranger', 'friend', 'nobody'];

async function putPolicy(statements: readonly Statement[]): Promise<void> {
  const body = JSON.stringify({ Version: '2012-10-17', Statement: statements });
  await demandSigned(world, ground.owner, { method: 'PUT', target: `/${bucket}?policy`, body });
}

function caseOf(
  { call, taken, refused }: Asked,
  caller: Caller,
  name: string,
  statements: readonly Statement[],
  may: boolean,
): Case {
  return {
    name: `${name}, ${caller}`,
    wanted: may ? taken : refused,
    ask: async () => {
      // What the request needs is made before the policy could be in its way.
      await putPolicy([allow(named('friend'), { Action: 's3:GetBucketLocation' })]);
      const made = await call();
      await putPolicy(statements);
      const key = keys.get(caller);
      return key ? sendSigned(world, key, made) : sendPlain(world, made);
    },
  };
}

function casesOf(which: readonly Asked[] = [...asked(), ...besides()], of: readonly Shape[] = shapes): Case[] {
  const shaped = which.flatMap((one) =>
    of.flatMap(([name, statements, may]) =>
      callers
        // A form is signed by its fields, which here are the owner's, whoever sends it.
        .filter((caller) => one.name !== 'PostObject' || caller === 'owner')
        .map((caller) => caseOf(one, caller, `${one.name}: ${name}`, statements(one.actions), may.includes(caller))),
    ),
  );
  // Where an operation is two actions, or more, all but one are not enough.
  const lacking = which
    .filter(({ actions }) => actions.length > 1)
    .flatMap((one) =>
      one.actions.map((action) =>
        caseOf(
          one,
          'stranger',
          `${one.name}: an Allow of all but ${action}`,
          [allow(named('stranger'), these(one.actions.filter((other) => other !== action)))],
          false,
        ),
      ),
    );
  return [...shaped, ...lacking];
}

test(
  'every operation obeys every policy',
  async () => {
    const { wrong } = await hold('bucket policies', casesOf(), 80);
    expect(wrong).toEqual([]);
  },
  patience,
);

test('twin: a server that forgets the policies of buckets is found', async () => {
  const few = asked().filter(({ name }) => name === 'GetObject' || name === 'DeleteObject');
  const { wrong } = await whileBroken(
    world.core.buckets,
    'peek',
    (real) => async (name) => {
      const found = await real(name);
      return (
        found && {
          ...found,
          settings: Object.fromEntries(Object.entries(found.settings).filter(([key]) => key !== 'policyText')),
        }
      );
    },
    () => ask(casesOf(few)),
  );
  expect(wrong).toContainEqual(expect.stringContaining('GetObject: a Deny of everybody, owner'));
  expect(wrong).toContainEqual(expect.stringContaining('DeleteObject: an Allow of one principal, stranger'));
});
