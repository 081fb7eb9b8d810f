/** Bucket policies by S3's documented rules: validation, evaluation, and the definition of public. */
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectTaggingCommand,
  GetBucketPolicyStatusCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  PutBucketAclCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  PutPublicAccessBlockCommand,
  type PublicAccessBlockConfiguration,
  type S3Client,
} from '@aws-sdk/client-s3';
import { isPublicPolicy, evaluatePolicy, parsePolicy, readKeptPolicy } from '../../src/faces/s3/policy.ts';
import { refusal, s3Client } from '../support/s3.ts';
import { openWorld, type World } from '../support/world.ts';

type Part = Readonly<Record<string, unknown>>;

const bucket = 'b-policy';
const allow: Part = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${bucket}/*` };
const document = (...Statement: readonly unknown[]): string => JSON.stringify({ Version: '2012-10-17', Statement });

interface Asked {
  readonly action?: string;
  readonly resource?: string;
  readonly namespace?: string;
  readonly values?: Readonly<Record<string, string | readonly string[]>>;
}

function verdict(policy: string, asked: Asked = {}): 'allow' | 'deny' | undefined {
  const values = Object.fromEntries(
    Object.entries(asked.values ?? {}).map(([key, value]) => [key.toLowerCase(), [value].flat()]),
  );
  return evaluatePolicy(parsePolicy(policy, bucket), {
    action: asked.action ?? 's3:GetObject',
    resource: `arn:aws:s3:::${bucket}${asked.resource ?? '/k'}`,
    namespace: asked.namespace ?? '',
    value: (key) => values[key],
  });
}

/** An operator, what the policy wants, what the request has, and whether the condition holds. */
type Row = readonly [operator: string, wanted: unknown, actual: string | undefined, holds: boolean];

const arn = 'arn:aws:s3:us-east-1:111122223333:accesspoint/finance';

const single: readonly Row[] = [
  ['StringEquals', 'a', 'a', true],
  ['StringEquals', 'a', 'A', false],
  ['StringEquals', 'a', 'b', false],
  ['StringEquals', 'a', undefined, false],
  ['StringEquals', ['a', 'b'], 'b', true],
  ['StringEquals', ['a', 'b'], 'c', false],
  ['StringEquals', 'a*', 'ab', false],
  ['StringEquals', 'a*', 'a*', true],
  ['StringEquals', '?', '?', true],
  ['StringEquals', '?', 'x', false],
  ['StringEquals', 1, '1', true],
  ['StringEquals', true, 'true', true],
  ['StringNotEquals', 'a', 'a', false],
  ['StringNotEquals', 'a', 'b', true],
  ['StringNotEquals', 'a', undefined, true],
  ['StringNotEquals', ['a', 'b'], 'b', false],
  ['StringNotEquals', ['a', 'b'], 'c', true],
  ['StringNotEquals', 'a', 'A', true],
  ['StringNotEquals', 'a*', 'ab', true],
  ['StringEqualsIgnoreCase', 'Abc', 'aBC', true],
  ['StringEqualsIgnoreCase', 'abc', 'abd', false],
  ['StringEqualsIgnoreCase', 'abc', undefined, false],
  ['StringEqualsIgnoreCase', ['x', 'ABC'], 'abc', true],
  ['StringNotEqualsIgnoreCase', 'Abc', 'aBC', false],
  ['StringNotEqualsIgnoreCase', 'abc', 'abd', true],
  ['StringNotEqualsIgnoreCase', 'abc', undefined, true],
  ['StringLike', 'a*', 'abc', true],
  ['StringLike', 'a*', 'a', true],
  ['StringLike', 'a*', 'Abc', false],
  ['StringLike', 'a?c', 'abc', true],
  ['StringLike', 'a?c', 'ac', false],
  ['StringLike', '*', 'anything', true],
  ['StringLike', '*', undefined, false],
  ['StringLike', '*b*', 'abc', true],
  ['StringLike', '*b', 'abc', false],
  ['StringLike', 'a*b*c', 'a-b-b-c', true],
  ['StringLike', 'a*b*c', 'a-c-b', false],
  ['StringLike', ['x*', '*c'], 'abc', true],
  ['StringLike', '???', 'abcd', false],
  ['StringLike', '*.example/*', 'http://a.example/x', true],
  ['StringLike', 'a.c', 'abc', false],
  ['StringLike', '[ab]', 'a', false],
  ['StringNotLike', 'a*', 'abc', false],
  ['StringNotLike', 'a*', 'bcd', true],
  ['StringNotLike', 'a*', undefined, true],
  ['StringNotLike', ['a*', 'b*'], 'b', false],
  ['StringNotLike', ['a*', 'b*'], 'c', true],
  ['NumericEquals', '10', '10', true],
  ['NumericEquals', 10, '10', true],
  ['NumericEquals', '10', '10.0', true],
  ['NumericEquals', '10', '11', false],
  ['NumericEquals', '10', undefined, false],
  ['NumericEquals', ['1', '2'], '2', true],
  ['NumericEquals', '10', 'ten', false],
  ['NumericEquals', '16', '0x10', false],
  ['NumericNotEquals', '10', '10', false],
  ['NumericNotEquals', '10', '11', true],
  ['NumericNotEquals', '10', undefined, true],
  ['NumericNotEquals', ['1', '2'], '2', false],
  ['NumericLessThan', '10', '9', true],
  ['NumericLessThan', '10', '10', false],
  ['NumericLessThan', '10', undefined, false],
  ['NumericLessThan', '0', '-1', true],
  ['NumericLessThanEquals', '10', '10', true],
  ['NumericLessThanEquals', '10', '11', false],
  ['NumericLessThanEquals', '10', '9.5', true],
  ['NumericGreaterThan', '10', '11', true],
  ['NumericGreaterThan', '10', '10', false],
  ['NumericGreaterThan', '10', '9', false],
  ['NumericGreaterThan', '9', '10', true],
  ['NumericGreaterThanEquals', '10', '10', true],
  ['NumericGreaterThanEquals', '10', '9', false],
  ['NumericGreaterThanEquals', '10', undefined, false],
  ['DateEquals', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', true],
  ['DateEquals', '2026-01-01T00:00:00Z', '2026-01-01T01:00:00+01:00', true],
  ['DateEquals', '2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z', false],
  ['DateEquals', '2026-01-01T00:00:00Z', '1767225600', true],
  ['DateEquals', '2026-01-01T00:00:00Z', undefined, false],
  ['DateEquals', '2026-01-01T00:00:00Z', 'today', false],
  ['DateNotEquals', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', false],
  ['DateNotEquals', '2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z', true],
  ['DateNotEquals', '2026-01-01T00:00:00Z', undefined, true],
  ['DateLessThan', '2026-01-01T00:00:00Z', '2025-12-31T23:59:59Z', true],
  ['DateLessThan', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', false],
  ['DateLessThan', '2026-01-01', '2025-06-01', true],
  ['DateLessThanEquals', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', true],
  ['DateLessThanEquals', '2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z', false],
  ['DateGreaterThan', '2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z', true],
  ['DateGreaterThan', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', false],
  ['DateGreaterThan', '1767225600', '2026-01-01T00:00:01Z', true],
  ['DateGreaterThanEquals', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', true],
  ['DateGreaterThanEquals', '2026-01-01T00:00:00Z', '2025-01-01T00:00:00Z', false],
  ['Bool', 'true', 'true', true],
  ['Bool', true, 'true', true],
  ['Bool', 'false', 'true', false],
  ['Bool', 'false', 'false', true],
  ['Bool', 'true', undefined, false],
  ['Bool', 'false', undefined, false],
  ['Bool', 'True', 'true', true],
  ['Bool', 'true', 'yes', false],
  ['BinaryEquals', 'YWJj', 'YWJj', true],
  ['BinaryEquals', 'YWJj', 'YWJk', false],
  ['BinaryEquals', 'YWJj', undefined, false],
  ['IpAddress', '192.0.2.0/24', '192.0.2.7', true],
  ['IpAddress', '192.0.2.0/24', '192.0.3.7', false],
  ['IpAddress', '192.0.2.7', '192.0.2.7', true],
  ['IpAddress', '192.0.2.7', '192.0.2.8', false],
  ['IpAddress', '192.0.2.0/24', undefined, false],
  ['IpAddress', ['198.51.100.0/24', '192.0.2.0/24'], '192.0.2.1', true],
  ['IpAddress', '2001:db8::/32', '2001:db8:1::1', true],
  ['IpAddress', '2001:db8::/32', '2001:db9::1', false],
  ['IpAddress', '2001:DB8:1234:5678::/64', '2001:db8:1234:5678::9', true],
  ['IpAddress', '::/0', '192.0.2.1', false],
  ['IpAddress', '0.0.0.0/0', '2001:db8::1', false],
  ['IpAddress', '192.0.2.0/24', '::ffff:192.0.2.9', true],
  ['IpAddress', '192.0.2.0/24', 'elsewhere', false],
  ['IpAddress', '0.0.0.0/0', '203.0.113.9', true],
  ['NotIpAddress', '192.0.2.0/24', '192.0.2.7', false],
  ['NotIpAddress', '192.0.2.0/24', '192.0.3.7', true],
  ['NotIpAddress', '192.0.2.0/24', undefined, true],
  ['NotIpAddress', ['198.51.100.0/24', '192.0.2.0/24'], '192.0.2.1', false],
  ['NotIpAddress', '192.0.2.0/24', '2001:db8::1', true],
  ['ArnEquals', arn, arn, true],
  ['ArnEquals', 'arn:aws:s3:*:111122223333:accesspoint/*', arn, true],
  ['ArnLike', 'arn:aws:s3:*:*:accesspoint/fin*', arn, true],
  ['ArnLike', 'arn:aws:s3:*:*:accesspoint/x*', arn, false],
  ['ArnLike', 'arn:*:*:*:*:*', arn, true],
  ['ArnLike', 'arn:aws:s3:us-east-1:111122223333:accesspoint/finance', 'no arn', false],
  ['ArnLike', arn, undefined, false],
  ['ArnLike', 'arn:aws:s3:??-east-1:*:*', arn, true],
  ['ArnNotEquals', arn, arn, false],
  ['ArnNotEquals', arn, `${arn}2`, true],
  ['ArnNotEquals', arn, undefined, true],
  ['ArnNotLike', 'arn:aws:s3:*:*:accesspoint/fin*', arn, false],
  ['ArnNotLike', 'arn:aws:s3:*:*:accesspoint/x*', arn, true],
  ['Null', 'true', undefined, true],
  ['Null', 'true', 'x', false],
  ['Null', 'false', 'x', true],
  ['Null', 'false', undefined, false],
  ['Null', true, undefined, true],
  ['StringEqualsIfExists', 'a', undefined, true],
  ['StringEqualsIfExists', 'a', 'a', true],
  ['StringEqualsIfExists', 'a', 'b', false],
  ['StringNotEqualsIfExists', 'a', undefined, true],
  ['StringNotEqualsIfExists', 'a', 'a', false],
  ['StringLikeIfExists', 'a*', undefined, true],
  ['StringLikeIfExists', 'a*', 'b', false],
  ['StringLikeIfExists', 'a*', 'ab', true],
  ['NumericLessThanIfExists', '10', undefined, true],
  ['NumericLessThanIfExists', '10', '11', false],
  ['NumericLessThanIfExists', '10', '9', true],
  ['DateGreaterThanIfExists', '2026-01-01T00:00:00Z', undefined, true],
  ['DateGreaterThanIfExists', '2026-01-01T00:00:00Z', '2025-01-01T00:00:00Z', false],
  ['BoolIfExists', 'true', undefined, true],
  ['BoolIfExists', 'true', 'false', false],
  ['IpAddressIfExists', '192.0.2.0/24', undefined, true],
  ['IpAddressIfExists', '192.0.2.0/24', '198.51.100.1', false],
  ['ArnLikeIfExists', arn, undefined, true],
  ['ArnLikeIfExists', arn, 'arn:aws:s3:::x', false],
  ['ForAllValues:StringEquals', 'a', undefined, true],
  ['ForAnyValue:StringEquals', 'a', undefined, false],
  ['ForAllValues:StringEquals', 'a', 'a', true],
  ['ForAllValues:StringEquals', 'a', 'b', false],
  ['ForAnyValue:StringEquals', 'a', 'a', true],
  ['ForAnyValue:StringEquals', 'a', 'b', false],
  ['ForAnyValue:StringNotEquals', 'a', 'b', true],
  ['ForAnyValue:StringNotEquals', 'a', 'a', false],
  ['ForAnyValue:StringNotEquals', 'a', undefined, false],
  ['ForAllValues:StringNotEquals', 'a', undefined, true],
  ['ForAnyValue:StringEqualsIfExists', 'a', undefined, true],
  ['ForAnyValue:StringLike', 'a*', 'ab', true],
  ['ForAllValues:NumericLessThan', '5', '4', true],
  ['ForAllValues:NumericLessThan', '5', '6', false],
];

/** The same, of a key with several values: the keys of the tags that a request brings. */
const several: readonly (readonly [
  operator: string,
  wanted: unknown,
  actual: readonly string[] | undefined,
  holds: boolean,
])[] = [
  ['ForAllValues:StringEquals', ['a', 'b'], ['a'], true],
  ['ForAllValues:StringEquals', ['a', 'b'], ['a', 'b'], true],
  ['ForAllValues:StringEquals', ['a', 'b'], ['a', 'c'], false],
  ['ForAllValues:StringEquals', ['a', 'b'], ['c'], false],
  ['ForAllValues:StringEquals', ['a'], undefined, true],
  ['ForAnyValue:StringEquals', ['a', 'b'], ['a', 'c'], true],
  ['ForAnyValue:StringEquals', ['a', 'b'], ['c', 'd'], false],
  ['ForAnyValue:StringEquals', ['a'], undefined, false],
  ['ForAllValues:StringNotEquals', ['a', 'b'], ['c', 'd'], true],
  ['ForAllValues:StringNotEquals', ['a', 'b'], ['a', 'd'], false],
  ['ForAnyValue:StringNotEquals', ['a', 'b'], ['a', 'd'], true],
  ['ForAnyValue:StringNotEquals', ['a', 'b'], ['a', 'b'], false],
  ['ForAllValues:StringLike', ['a*'], ['a1', 'a2'], true],
  ['ForAllValues:StringLike', ['a*'], ['a1', 'b2'], false],
  ['ForAnyValue:StringLike', ['a*'], ['b', 'a2'], true],
  ['ForAllValues:StringNotLike', ['a*'], ['b', 'c'], true],
  ['ForAllValues:StringNotLike', ['a*'], ['b', 'a1'], false],
  ['ForAnyValue:StringNotLike', ['a*'], ['a1', 'a2'], false],
  ['ForAnyValue:StringNotLike', ['a*'], ['a1', 'b'], true],
  ['ForAllValues:StringEqualsIgnoreCase', ['A'], ['a'], true],
  ['ForAnyValue:StringEqualsIgnoreCase', ['A'], ['b', 'a'], true],
  ['StringEquals', ['a'], ['b', 'a'], true],
  ['StringNotEquals', ['a'], ['b', 'a'], false],
  ['Null', 'true', undefined, true],
  ['Null', 'false', ['a'], true],
];

describe('conditions', () => {
  const policy = (Effect: 'Allow' | 'Deny', operator: string, key: string, wanted: unknown): string =>
    document({ ...allow, Effect, Condition: { [operator]: { [key]: wanted } } });

  test.each(single)('%s %j is asked of %j: %j', (operator, wanted, actual, holds) => {
    const values = actual === undefined ? {} : { 'aws:Referer': actual };
    expect(verdict(policy('Allow', operator, 'aws:Referer', wanted), { values })).toBe(holds ? 'allow' : undefined);
    expect(verdict(policy('Deny', operator, 'AWS:referer', wanted), { values })).toBe(holds ? 'deny' : undefined);
  });

  test.each(several)('%s %j is asked of %j: %j', (operator, wanted, actual, holds) => {
    const values = actual === undefined ? {} : { 's3:RequestObjectTagKeys': actual };
    expect(verdict(policy('Allow', operator, 's3:RequestObjectTagKeys', wanted), { values })).toBe(
      holds ? 'allow' : undefined,
    );
    expect(verdict(policy('Deny', operator, 's3:RequestObjectTagKeys', wanted), { values })).toBe(
      holds ? 'deny' : undefined,
    );
  });

  test.each<[string, (operator: string) => string]>([
    ['drops set qualifiers', (operator) => operator.replace(/^For\w+:/, '')],
    ['takes every IfExists for met or not met', (operator) => operator.replace(/IfExists$/, '')],
    ['takes a negated operator for a plain one', (operator) => operator.replace(/Not(?=Equals|Like)/, '')],
    ['takes one set qualifier for the other', (operator) => operator.replace('ForAllValues', 'ForAnyValue')],
  ])('twin: the rows find an evaluator that %s', (_what, sabotage) => {
    const wrong = several.filter(([operator, wanted, actual, holds]) => {
      const values = actual === undefined ? {} : { 's3:RequestObjectTagKeys': actual };
      return (
        (verdict(policy('Allow', sabotage(operator), 's3:RequestObjectTagKeys', wanted), { values }) === 'allow') !==
        holds
      );
    });
    const wrongSingle = single.filter(
      ([operator, wanted, actual, holds]) =>
        (verdict(policy('Allow', sabotage(operator), 'aws:Referer', wanted), {
          values: actual === undefined ? {} : { 'aws:Referer': actual },
        }) ===
          'allow') !==
        holds,
    );
    expect(wrong.length + wrongSingle.length).toBeGreaterThan(0);
  });

  test('all operators and all keys of a statement must hold, and one value of each', () => {
    const both = document({
      ...allow,
      Condition: {
        StringEquals: { 'aws:Referer': ['a', 'b'], 'aws:UserAgent': 'u' },
        NumericLessThan: { 's3:max-keys': '5' },
      },
    });
    const right = { 'aws:Referer': 'b', 'aws:UserAgent': 'u', 's3:max-keys': '4' };
    expect(verdict(both, { values: right })).toBe('allow');
    for (const [key, wrong] of [
      ['aws:Referer', 'c'],
      ['aws:UserAgent', 'v'],
      ['s3:max-keys', '5'],
    ])
      expect(verdict(both, { values: { ...right, [key!]: wrong! } })).toBeUndefined();
  });
});

describe('policy variables', () => {
  const rows: readonly (readonly [
    version: string | undefined,
    resource: string,
    asked: string,
    values: Record<string, string>,
    verdict: 'allow' | undefined,
  ])[] = [
    ['2012-10-17', 'home/${aws:username}/*', '/home/ann/x', { 'aws:username': 'ann' }, 'allow'],
    ['2012-10-17', 'home/${aws:username}/*', '/home/bob/x', { 'aws:username': 'ann' }, undefined],
    ['2012-10-17', 'home/${aws:username}/*', '/home//x', {}, undefined],
    ['2012-10-17', 'home/${AWS:UserName}/*', '/home/ann/x', { 'aws:username': 'ann' }, 'allow'],
    ['2012-10-17', "home/${aws:username, 'guest'}/*", '/home/guest/x', {}, 'allow'],
    ['2012-10-17', "home/${aws:username, 'guest'}/*", '/home/guest/x', { 'aws:username': 'ann' }, undefined],
    // What a request says is no pattern.
    ['2012-10-17', 'home/${aws:username}/*', '/home/bob/x', { 'aws:username': '*' }, undefined],
    ['2012-10-17', 'home/${aws:username}/*', '/home/*/x', { 'aws:username': '*' }, 'allow'],
    ['2012-10-17', 'a${*}b', '/a*b', {}, 'allow'],
    ['2012-10-17', 'a${*}b', '/axb', {}, undefined],
    ['2012-10-17', 'a${?}b', '/a?b', {}, 'allow'],
    ['2012-10-17', 'a${?}b', '/axb', {}, undefined],
    ['2012-10-17', 'a${$}b', '/a$b', {}, 'allow'],
    // Policies of 2008 have none.
    ['2008-10-17', 'home/${aws:username}/*', '/home/ann/x', { 'aws:username': 'ann' }, undefined],
    ['2008-10-17', 'home/${aws:username}/*', '/home/${aws:username}/x', {}, 'allow'],
    [undefined, 'home/${aws:username}/*', '/home/ann/x', { 'aws:username': 'ann' }, undefined],
  ];
  test.each(rows)('version %s, %s is asked of %s with %j: %s', (Version, resource, asked, values, expected) => {
    const text = JSON.stringify({ Version, Statement: [{ ...allow, Resource: `arn:aws:s3:::${bucket}/${resource}` }] });
    expect(verdict(text, { resource: asked, values })).toBe(expected);
  });

  test('policy variables are replaced in conditions, too', () => {
    const own = document({
      ...allow,
      Action: 's3:ListBucket',
      Resource: `arn:aws:s3:::${bucket}`,
      Condition: { StringLike: { 's3:prefix': '${aws:username}/*' } },
    });
    const ask = (prefix: string): unknown =>
      verdict(own, { action: 's3:ListBucket', resource: '', values: { 's3:prefix': prefix, 'aws:username': 'ann' } });
    expect({ 'ask ann/x': ask('ann/x'), 'ask bob/x': ask('bob/x'), 'ask */x': ask('*/x') }).toEqual({
      'ask ann/x': 'allow',
      'ask bob/x': undefined,
      'ask */x': undefined,
    });
  });

  test('without a value in a NotResource of a denial, deny', () => {
    expect(
      verdict(
        document({
          ...allow,
          Effect: 'Deny',
          Resource: undefined,
          NotResource: `arn:aws:s3:::${bucket}/\${aws:username}/*`,
        }),
        { resource: '/ann/x' },
      ),
    ).toBe('deny');
  });
});

describe('who, what and where', () => {
  const rows: readonly (readonly [what: string, parts: Part, asked: Asked, applies: boolean])[] = [
    ['everybody, of nobody', { Principal: '*' }, {}, true],
    ['everybody in a list, of nobody', { Principal: { AWS: '*' } }, {}, true],
    ['everybody, of somebody', { Principal: { AWS: ['*'] } }, { namespace: 'ann' }, true],
    ['an account, of itself', { Principal: { AWS: 'arn:aws:iam::ann:root' } }, { namespace: 'ann' }, true],
    ['an account, of another', { Principal: { AWS: 'arn:aws:iam::ann:root' } }, { namespace: 'bob' }, false],
    ['an account, of nobody', { Principal: { AWS: 'arn:aws:iam::ann:root' } }, {}, false],
    ['an account by name', { Principal: { AWS: 'ann' } }, { namespace: 'ann' }, true],
    ['a user', { Principal: { AWS: 'arn:aws:iam:::user/ann' } }, { namespace: 'ann' }, true],
    ['one of a list', { Principal: { AWS: ['bob', 'ann'] } }, { namespace: 'ann' }, true],
    ['none of a list', { Principal: { AWS: ['bob', 'cat'] } }, { namespace: 'ann' }, false],
    ['a canonical user', { Principal: { CanonicalUser: 'ann' } }, { namespace: 'ann' }, true],
    ['a service, of nobody', { Principal: { Service: 'logging.s3.amazonaws.com' } }, {}, false],
    [
      'a service, of somebody',
      { Principal: { Service: 'logging.s3.amazonaws.com' } },
      { namespace: 'logging.s3.amazonaws.com' },
      false,
    ],
    [
      'a service or an account',
      { Principal: { Service: 'logging.s3.amazonaws.com', AWS: 'ann' } },
      { namespace: 'ann' },
      true,
    ],
    ['a prefix of a name is another name', { Principal: { AWS: 'ann' } }, { namespace: 'anna' }, false],
    ['names tell upper from lower case', { Principal: { AWS: 'Ann' } }, { namespace: 'ann' }, false],
    ['an action in another case', { Action: 'S3:getobject' }, {}, true],
    ['another action', { Action: 's3:PutObject' }, {}, false],
    ['actions by a star', { Action: 's3:Get*' }, {}, true],
    ['actions by a question mark', { Action: 's3:?etObject' }, {}, true],
    ['all actions of S3', { Action: 's3:*' }, {}, true],
    ['all actions', { Action: '*' }, {}, true],
    ['one of a list of actions', { Action: ['s3:PutObject', 's3:GetObject'] }, {}, true],
    ['a star that ends before', { Action: 's3:GetObjectV*' }, {}, false],
    ['not an action, of it', { Action: undefined, NotAction: 's3:GetObject' }, {}, false],
    ['not an action, of another', { Action: undefined, NotAction: 's3:PutObject' }, {}, true],
    ['not some actions', { Action: undefined, NotAction: ['s3:Put*', 's3:Get*'] }, {}, false],
    ['an object', { Resource: `arn:aws:s3:::${bucket}/k` }, {}, true],
    ['another object', { Resource: `arn:aws:s3:::${bucket}/kk` }, {}, false],
    ['names of objects tell upper from lower case', { Resource: `arn:aws:s3:::${bucket}/K` }, {}, false],
    ['the bucket is none of its objects', { Resource: `arn:aws:s3:::${bucket}` }, {}, false],
    ['objects are not the bucket', { Action: 's3:ListBucket' }, { action: 's3:ListBucket', resource: '' }, false],
    [
      'the bucket',
      { Action: 's3:ListBucket', Resource: `arn:aws:s3:::${bucket}` },
      { action: 's3:ListBucket', resource: '' },
      true,
    ],
    ['a star goes through slashes', { Resource: `arn:aws:s3:::${bucket}/a*z` }, { resource: '/a/b/c/z' }, true],
    ['a question mark is one character', { Resource: `arn:aws:s3:::${bucket}/a?c` }, { resource: '/abc' }, true],
    ['a question mark is not none', { Resource: `arn:aws:s3:::${bucket}/a?c` }, { resource: '/ac' }, false],
    ['a star in the bucket part', { Resource: 'arn:aws:s3:::b-*' }, { resource: '/k' }, true],
    ['everything', { Resource: '*' }, {}, true],
    ['all of S3', { Resource: 'arn:aws:s3:::*' }, {}, true],
    ['a key with odd characters', { Resource: `arn:aws:s3:::${bucket}/a:b/\\é` }, { resource: '/a:b/\\é' }, true],
    ['not an object, of it', { Resource: undefined, NotResource: `arn:aws:s3:::${bucket}/k` }, {}, false],
    ['not an object, of another', { Resource: undefined, NotResource: `arn:aws:s3:::${bucket}/public/*` }, {}, true],
  ];
  test.each(rows)('%s', (_what, parts, asked, applies) => {
    expect(verdict(document({ ...allow, ...parts }), asked)).toBe(applies ? 'allow' : undefined);
    expect(verdict(document({ ...allow, ...parts, Effect: 'Deny' }), asked)).toBe(applies ? 'deny' : undefined);
  });

  const but: Part = { ...allow, Effect: 'Deny', Principal: undefined, NotPrincipal: { AWS: ['ann'] } };
  test.each([
    ['ann', undefined],
    ['bob', 'deny'],
    ['', 'deny'],
  ] as const)('everybody but ann is denied: %s', (namespace, expected) => {
    expect(verdict(document(but), { namespace })).toBe(expected);
  });

  const deny: Part = { ...allow, Effect: 'Deny' };
  const never: Part = { ...deny, Condition: { StringEquals: { 'aws:Referer': 'x' } } };
  test.each([
    ['an allowance', [allow], 'allow'],
    ['a denial', [deny], 'deny'],
    ['a denial in front', [deny, allow], 'deny'],
    ['a denial behind', [allow, deny], 'deny'],
    ['a denial that is not of the request', [allow, never], 'allow'],
    ['nothing of the request', [never], undefined],
    ['two allowances', [allow, allow], 'allow'],
    ['a denial among many', [allow, never, allow, deny, allow], 'deny'],
  ] as const)('%s decides', (_what, statements, expected) => {
    expect(verdict(document(...statements))).toBe(expected);
  });
});

/** What is refused as a whole, by name. */
const malformed: Readonly<Record<string, unknown>> = {
  'no JSON': 'no json',
  nothing: '',
  'a list': '[]',
  'a text': '"x"',
  null: 'null',
  'a trailing comma': '{"Statement":[],}',
  'no Statement': {},
  'an empty Statement': { Statement: [] },
  'a Statement of null': { Statement: null },
  'a Statement that is a text': { Statement: 'x' },
  'a Statement of texts': { Statement: ['x'] },
  'an unknown member': { Statement: [allow], Extra: 1 },
  'a member in lower case': { statement: [allow] },
  'another version': { Version: '2012-10-18', Statement: [allow] },
  'a version of another type': { Version: 20121017, Statement: [allow] },
  'an empty version': { Version: '', Statement: [allow] },
  'an Id that is no text': { Id: {}, Statement: [allow] },
  'a repeated member': `{"Statement":[{"Effect":"Deny","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::${bucket}/*"}]}`,
  'a repeated Statement': `{"Statement":[${JSON.stringify(allow)}],"Statement":[${JSON.stringify(allow)}]}`,
  'a repeated member by an escape': `{"Statement":[${JSON.stringify({ ...allow, Condition: {} }).replace('{"Effect"', '{"\\u0045ffect":"Deny","Effect"')}]}`,
  'more than 20 KB': { Statement: [{ ...allow, Sid: 'x'.repeat(20 * 1024) }] },
};

const malformedStatements: Readonly<Record<string, Part>> = {
  'an unknown member of a statement': { Extra: 'x' },
  'a member of a statement in lower case': { effect: 'Allow' },
  'a Sid that is no text': { Sid: 1 },
  'no Effect': { Effect: undefined },
  'another Effect': { Effect: 'Maybe' },
  'an Effect in lower case': { Effect: 'allow' },
  'a list of Effects': { Effect: ['Allow'] },
  'no Principal': { Principal: undefined },
  'a Principal of null': { Principal: null },
  'an empty Principal': { Principal: {} },
  'a Principal that is a name': { Principal: 'ann' },
  'a Principal of an empty list': { Principal: { AWS: [] } },
  'a Principal that is a list': { Principal: ['*'] },
  'a Principal of an unknown kind': { Principal: { Azure: 'x' } },
  'a Principal of a kind in lower case': { Principal: { aws: '*' } },
  'a federated Principal': { Principal: { Federated: 'cognito-identity.amazonaws.com' } },
  'a Principal with a star within': { Principal: { AWS: 'arn:aws:iam::*:root' } },
  'a Principal with an empty name': { Principal: { AWS: '' } },
  'a Principal that is a role': { Principal: { AWS: 'arn:aws:iam::ann:role/x' } },
  'a Principal that is no ARN of IAM': { Principal: { AWS: `arn:aws:s3:::${bucket}` } },
  'a Principal of null within': { Principal: { AWS: null } },
  'a user of another account': { Principal: { AWS: 'arn:aws:iam::ann:user/bob' } },
  'a Service by a star': { Principal: { Service: '*' } },
  'a Service that is none': { Principal: { Service: 'logging.example' } },
  'a number as a Principal': { Principal: { AWS: 1 } },
  'Principal and NotPrincipal': { NotPrincipal: { AWS: 'bob' } },
  'Allow with NotPrincipal': { Principal: undefined, NotPrincipal: { AWS: 'bob' } },
  'no Action': { Action: undefined },
  'an empty list of Actions': { Action: [] },
  'an Action of another service': { Action: 'ec2:RunInstances' },
  'an unknown Action': { Action: 's3:GetObjekt' },
  'a pattern of no Action': { Action: 's3:Frob*' },
  'an Action without a service': { Action: 'GetObject' },
  'one unknown Action of several': { Action: ['s3:GetObject', 's3:Nothing'] },
  'an Action that is a number': { Action: 1 },
  'an empty Action': { Action: '' },
  'Action and NotAction': { NotAction: 's3:PutObject' },
  'an unknown NotAction': { Action: undefined, NotAction: 's3:GetObjekt' },
  'an empty list of NotActions': { Action: undefined, NotAction: [] },
  'all services by a star': { Action: '*:*' },
  'no Resource': { Resource: undefined },
  'an empty list of Resources': { Resource: [] },
  'a Resource of another bucket': { Resource: 'arn:aws:s3:::other/*' },
  'a Resource of a bucket of a longer name': { Resource: `arn:aws:s3:::${bucket}x/*` },
  'a Resource of a pattern of other buckets': { Resource: 'arn:aws:s3:::other*' },
  'a Resource that is no ARN': { Resource: `${bucket}/*` },
  'a Resource of another service': { Resource: `arn:aws:sqs:::${bucket}` },
  'a Resource of another partition': { Resource: `arn:acme:s3:::${bucket}/*` },
  'a Resource with a region': { Resource: `arn:aws:s3:us-east-1::${bucket}/*` },
  'an empty Resource': { Resource: '' },
  'an ARN of too few parts': { Resource: `arn:aws:s3::${bucket}` },
  'one wrong Resource of several': { Resource: [`arn:aws:s3:::${bucket}/*`, 'arn:aws:s3:::other/*'] },
  'Resource and NotResource': { NotResource: `arn:aws:s3:::${bucket}/x` },
  'a NotResource of another bucket': { Resource: undefined, NotResource: 'arn:aws:s3:::other/*' },
  'a number as a Resource': { Resource: 7 },
  'an unknown variable': { Resource: `arn:aws:s3:::${bucket}/\${aws:nonsense}` },
  'a variable without an end': { Resource: `arn:aws:s3:::${bucket}/\${aws:username` },
  'a variable of many values': { Resource: `arn:aws:s3:::${bucket}/\${s3:RequestObjectTagKeys}` },
  'a Condition that is a list': { Condition: [] },
  'a Condition that is a text': { Condition: 'x' },
  'a Condition of null': { Condition: null },
  'an operator of null': { Condition: { StringEquals: null } },
  'an operator without keys': { Condition: { StringEquals: {} } },
  'a key without values': { Condition: { StringEquals: { 'aws:Referer': [] } } },
  'an unknown operator': { Condition: { StringMatches: { 'aws:Referer': 'x' } } },
  'an operator in lower case': { Condition: { stringequals: { 'aws:Referer': 'x' } } },
  'an unknown qualifier': { Condition: { 'ForSomeValues:StringEquals': { 'aws:Referer': 'x' } } },
  'a qualifier alone': { Condition: { 'ForAllValues:': { 'aws:Referer': 'x' } } },
  'two qualifiers': { Condition: { 'ForAllValues:ForAnyValue:StringEquals': { 'aws:Referer': 'x' } } },
  'IfExists twice': { Condition: { StringEqualsIfExistsIfExists: { 'aws:Referer': 'x' } } },
  NullIfExists: { Condition: { NullIfExists: { 'aws:Referer': 'true' } } },
  'an operator of the language': { Condition: { constructor: { 'aws:Referer': 'x' } } },
  'an unknown key': { Condition: { StringEquals: { 'aws:Nonsense': 'x' } } },
  'a key of another service': { Condition: { StringEquals: { 'ec2:Region': 'x' } } },
  'a key without a service': { Condition: { StringEquals: { Referer: 'x' } } },
  'a family of keys without a name': { Condition: { StringEquals: { 's3:ExistingObjectTag/': 'x' } } },
  'a value of null': { Condition: { StringEquals: { 'aws:Referer': null } } },
  'a value that is an object': { Condition: { StringEquals: { 'aws:Referer': {} } } },
  'a number that is none': { Condition: { NumericEquals: { 's3:max-keys': 'ten' } } },
  'a date that is none': { Condition: { DateLessThan: { 'aws:CurrentTime': 'soon' } } },
  'a truth that is none': { Condition: { Bool: { 'aws:SecureTransport': 'maybe' } } },
  'a Null that is none': { Condition: { Null: { 'aws:Referer': 'maybe' } } },
  'an address that is none': { Condition: { IpAddress: { 'aws:SourceIp': '300.1.2.3' } } },
  'a network that is none': { Condition: { IpAddress: { 'aws:SourceIp': '192.0.2.0/33' } } },
  'an address by a star': { Condition: { IpAddress: { 'aws:SourceIp': '192.0.2.*' } } },
  'an ARN of too few parts in a condition': { Condition: { ArnLike: { 'aws:SourceArn': 'arn:aws:s3:*' } } },
  'an ARN that is none': { Condition: { ArnLike: { 'aws:SourceArn': 'x' } } },
  'an unknown variable in a condition': { Condition: { StringEquals: { 'aws:Referer': '${aws:nonsense}' } } },
  'a variable in a number': { Condition: { NumericEquals: { 's3:max-keys': '${aws:username}' } } },
};

const cases: readonly (readonly [string, string])[] = [
  ...Object.entries(malformed).map(
    ([what, policy]) => [what, typeof policy === 'string' ? policy : JSON.stringify(policy)] as const,
  ),
  ...Object.entries(malformedStatements).map(([what, parts]) => [what, document({ ...allow, ...parts })] as const),
];

test.each(cases)('a policy with this is refused: %s', (_what, text) => {
  expect(() => parsePolicy(text, bucket)).toThrow(expect.objectContaining({ code: 'MalformedPolicy' }) as Error);
});

/** Conditions of an allowance for everybody. */
const networks = (...list: readonly string[]): Part => ({ IpAddress: { 'aws:SourceIp': list } });
const isPublicRows: readonly (readonly [what: string, parts: Part, isPublic: boolean])[] = [
  ['everybody', {}, true],
  ['everybody in a list', { Principal: { AWS: ['*'] } }, true],
  ['everybody among others', { Principal: { AWS: ['ann', '*'] } }, true],
  ['an account', { Principal: { AWS: 'ann' } }, false],
  ['a service', { Principal: { Service: 'logging.s3.amazonaws.com' } }, false],
  ['a denial for everybody', { Effect: 'Deny' }, false],
  ['a network', { Condition: networks('203.0.113.0/24') }, false],
  ['an address', { Condition: networks('203.0.113.7') }, false],
  ['a network of /8', { Condition: networks('54.0.0.0/8') }, false],
  ['a network wider than /8', { Condition: networks('54.0.0.0/7') }, true],
  ['half of all addresses', { Condition: networks('0.0.0.0/1') }, true],
  ['all addresses', { Condition: networks('0.0.0.0/0') }, true],
  ['both halves', { Condition: networks('0.0.0.0/1', '128.0.0.0/1') }, true],
  ['one wide network among narrow ones', { Condition: networks('203.0.113.0/24', '0.0.0.0/0') }, true],
  ['all networks of /8', { Condition: networks(...Array.from({ length: 256 }, (_, at) => `${at}.0.0.0/8`)) }, true],
  ['all addresses of IPv6', { Condition: networks('::/0') }, true],
  ['a network of IPv6', { Condition: networks('2001:db8::/32') }, false],
  ['a network of IPv6 wider than /32', { Condition: networks('2001:d00::/24') }, true],
  ['all of IPv4 as IPv6', { Condition: networks('::ffff:0.0.0.0/96') }, true],
  ['private networks', { Condition: networks('10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16') }, false],
  ['a network that is not needed', { Condition: { IpAddressIfExists: { 'aws:SourceIp': '203.0.113.0/24' } } }, true],
  ['all but a network', { Condition: { NotIpAddress: { 'aws:SourceIp': '203.0.113.0/24' } } }, true],
  ['all values of no address', { Condition: { 'ForAllValues:IpAddress': { 'aws:SourceIp': '203.0.113.0/24' } } }, true],
  ['any value of an address', { Condition: { 'ForAnyValue:IpAddress': { 'aws:SourceIp': '203.0.113.0/24' } } }, false],
  ['an address as a text', { Condition: { StringLike: { 'aws:SourceIp': '*' } } }, true],
  ...['aws:PrincipalArn', 'aws:SourceArn'].flatMap(
    (key) =>
      [
        [`${key} fixed`, { Condition: { ArnEquals: { [key]: 'arn:aws:iam::ann:root' } } }, false],
        [`${key} with a star`, { Condition: { ArnLike: { [key]: 'arn:aws:iam::*:root' } } }, true],
      ] as const,
  ),
  ...[
    'aws:PrincipalAccount',
    'aws:PrincipalOrgID',
    'aws:SourceAccount',
    'aws:SourceOwner',
    'aws:SourceVpc',
    'aws:SourceVpce',
    'aws:userid',
    's3:DataAccessPointAccount',
    's3:DataAccessPointArn',
  ].flatMap(
    (key) =>
      [
        [`${key} fixed`, { Condition: { StringEquals: { [key]: 'vpc-91237329' } } }, false],
        [`${key} with a star`, { Condition: { StringLike: { [key]: 'vpc-*' } } }, true],
        [`${key} with a question mark`, { Condition: { StringLike: { [key]: 'vpc-?' } } }, true],
        [`${key} by a variable`, { Condition: { StringEquals: { [key]: '${aws:userid}' } } }, true],
        [`${key} where it exists`, { Condition: { StringEqualsIfExists: { [key]: 'vpc-1' } } }, true],
        [`${key} is another`, { Condition: { StringNotEquals: { [key]: 'vpc-1' } } }, true],
        [`${key} for all values`, { Condition: { 'ForAllValues:StringEquals': { [key]: 'vpc-1' } } }, true],
        [`${key} is absent`, { Condition: { Null: { [key]: 'true' } } }, true],
        [`${key} is there`, { Condition: { Null: { [key]: 'false' } } }, true],
        [`${key} fixed or with a star`, { Condition: { StringLike: { [key]: ['vpc-1', '*'] } } }, true],
      ] as const,
  ),
  ['the id of whoever is nobody', { Condition: { StringEquals: { 'aws:userid': 'anonymous' } } }, true],
  ['the account of whoever is nobody', { Condition: { StringEquals: { 'aws:PrincipalAccount': 'anonymous' } } }, true],
  ...(
    [
      ['StringLike', 'aws:Referer', 'https://app.example/*'],
      ['StringEquals', 'aws:Referer', 'x'],
      ['StringEquals', 'aws:UserAgent', 'x'],
      ['StringLike', 'aws:UserAgent', '*'],
      ['Bool', 'aws:SecureTransport', 'false'],
      ['Bool', 'aws:SecureTransport', 'true'],
      ['DateGreaterThan', 'aws:CurrentTime', '2020-01-01T00:00:00Z'],
      ['NumericLessThan', 'aws:EpochTime', '99999999999'],
      ['StringEquals', 's3:prefix', 'x'],
      ['StringEquals', 's3:x-amz-acl', 'private'],
      ['StringEquals', 's3:x-amz-server-side-encryption-aws-kms-key-id', 'x'],
      ['StringEquals', 's3:ExistingObjectTag/public', 'yes'],
      ['StringNotEquals', 'aws:Referer', 'x'],
      ['Null', 'aws:Referer', 'true'],
      ['NumericLessThan', 's3:max-keys', '5'],
      ['StringEquals', 'aws:PrincipalType', 'Anonymous'],
      ['StringEquals', 'aws:RequestedRegion', 'us-east-1'],
      ['StringEquals', 's3:authType', 'REST-HEADER'],
      ['StringEquals', 'aws:ResourceAccount', 'ann'],
      ['Bool', 'aws:ViaAWSService', 'false'],
      ['StringEquals', 's3:signatureversion', 'AWS4-HMAC-SHA256'],
      ['StringLikeIfExists', 'aws:username', 'ann'],
      ['StringEquals', 'aws:username', 'ann'],
    ] as const
  ).map(
    ([operator, key, value]) =>
      [`${operator} of ${key}`, { Condition: { [operator]: { [key]: value } } }, true] as const,
  ),
  [
    'a condition that narrows beside one that does not',
    { Condition: { ...networks('203.0.113.0/24'), StringEquals: { 'aws:Referer': 'x' } } },
    false,
  ],
  ['everything but some objects', { Resource: undefined, NotResource: `arn:aws:s3:::${bucket}/x` }, true],
  ['everything but some actions', { Action: undefined, NotAction: 's3:PutObject' }, true],
];

describe('public', () => {
  test.each(isPublicRows)('%s: %#', (_what, parts, isPublic) => {
    expect(isPublicPolicy(parsePolicy(document({ ...allow, ...parts }), bucket))).toBe(isPublic);
  });

  test('one public statement among others is enough, and many narrow ones add up', () => {
    const narrow = { ...allow, Condition: networks('203.0.113.0/24') };
    expect(isPublicPolicy(parsePolicy(document(narrow, { ...allow, Principal: { AWS: 'ann' } }), bucket))).toBe(false);
    expect(isPublicPolicy(parsePolicy(document(narrow, allow), bucket))).toBe(true);
    const slices = Array.from({ length: 32 }, (_, at) => ({
      ...allow,
      Condition: networks(...Array.from({ length: 8 }, (__, within) => `${at * 8 + within}.0.0.0/8`)),
    }));
    expect(isPublicPolicy(parsePolicy(document(...slices), bucket))).toBe(true);
  });
});

describe('a policy that was kept and would not be taken today', () => {
  const ask = (...statements: readonly Part[]): unknown =>
    evaluatePolicy(readKeptPolicy(document(...statements), bucket), {
      action: 's3:GetObject',
      resource: `arn:aws:s3:::${bucket}/k`,
      namespace: '',
      value: () => undefined,
    });
  const odd = { Condition: { 'ForOddValues:StringEquals': { 'aws:Referer': 'x' } } };

  test('allows nothing', () => {
    expect({
      'a grant': ask(allow),
      'one strange grant': ask({ ...allow, ...odd }),
      'a grant and a strange one': ask(allow, { ...allow, ...odd }),
      'a grant and one with an unknown member': ask(allow, { ...allow, Extra: 1 }),
    }).toEqual({
      'a grant': 'allow',
      'one strange grant': undefined,
      'a grant and a strange one': undefined,
      'a grant and one with an unknown member': undefined,
    });
  });

  test('denies as before, and what is not understood of a denial counts as met', () => {
    const deny = { ...allow, Effect: 'Deny' };
    expect({
      'a refusal and a strange grant': ask(deny, { ...allow, ...odd }),
      'a strange refusal': ask({ ...deny, ...odd }),
      'a strange refusal of another action': ask({ ...deny, ...odd, Action: 's3:PutObject' }),
    }).toEqual({
      'a refusal and a strange grant': 'deny',
      'a strange refusal': 'deny',
      'a strange refusal of another action': undefined,
    });
    expect({
      'an unknown kind of principal': ask({ ...deny, Principal: { Odd: 'x' } }),
      'an unknown member, another principal': ask({ ...deny, Principal: { AWS: 'ann' }, Extra: 1 }),
      'an unknown action': ask({ ...deny, Action: 's3:Odd' }),
    }).toEqual({
      'an unknown kind of principal': 'deny',
      'an unknown member, another principal': undefined,
      'an unknown action': 'deny',
    });
  });

  test('denies everything where nothing of it can be read', () => {
    expect(
      evaluatePolicy(readKeptPolicy('{', bucket), {
        action: 's3:GetObject',
        resource: 'x',
        namespace: 'ann',
        value: () => undefined,
      }),
    ).toBe('deny');
  });
});

describe('over the wire', () => {
  let world: World;
  let s3: S3Client;
  let stranger: S3Client;
  beforeAll(async () => {
    world = await openWorld();
    for (const name of ['owner', 'stranger']) await world.addNamespace(name);
    s3 = await s3Client(world, { as: 'owner' });
    stranger = await s3Client(world, { as: 'stranger' });
    await s3.send(new CreateBucketCommand({ Bucket: bucket }));
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x' }));
  });
  afterAll(() => world.close());

  const put = (Policy: string): Promise<unknown> => s3.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }));
  // Some texts cannot be sent as a header, and some clients add the header by themselves.
  const sendable = single.filter(([, , actual]) => actual === undefined || /^[\x21-\x7e]+$/.test(actual));

  test.each(sendable)('%s %j is asked of the Referer %j: %j', async (operator, wanted, actual, holds) => {
    await put(document({ ...allow, Condition: { [operator]: { 'aws:Referer': wanted } } }));
    const headers: Record<string, string> = actual === undefined ? {} : { Referer: actual };
    expect((await fetch(`${world.s3Url}/${bucket}/k`, { headers })).status).toBe(holds ? 200 : 403);
  });

  test.each(several)('%s %j is asked of the tags %j: %j', async (operator, wanted, actual, holds) => {
    const Action = ['s3:PutObject', 's3:PutObjectTagging'];
    await put(document({ ...allow, Action, Condition: { [operator]: { 's3:RequestObjectTagKeys': wanted } } }));
    const Tagging = actual?.map((tag) => `${tag}=1`).join('&');
    expect(
      await refusal(
        stranger.send(
          new PutObjectCommand({
            Bucket: bucket,
            Key: 'tagged',
            Body: 'x',
            ...(Tagging === undefined ? {} : { Tagging }),
          }),
        ),
      ),
    ).toBe(holds ? undefined : 'AccessDenied');
  });

  test.each(cases)('a policy with this is refused, and the one before stays: %s', async (what, text) => {
    if (what === 'nothing') return;
    const before = document(allow);
    await put(before);
    expect(await refusal(put(text))).toBe('MalformedPolicy');
    expect((await fetch(`${world.s3Url}/${bucket}/k`)).status).toBe(200);
  });

  /** Sends a form that nobody signed. */
  async function form(fields: Record<string, string>): Promise<number> {
    const body = new FormData();
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    body.append('file', new Blob(['x']), 'x');
    return (await fetch(`${world.s3Url}/${bucket}`, { method: 'POST', body })).status;
  }

  const status = async (key: string): Promise<number> => (await fetch(`${world.s3Url}/${bucket}/${key}`)).status;

  test('a denial counts whatever the request calls it: parts of a put, versions, forms, sources of copies', async () => {
    await s3.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: 'Enabled' } }));
    const { VersionId } = await s3.send(
      new PutObjectCommand({ Bucket: bucket, Key: 'versioned', Body: 'x', Tagging: 'a=1' }),
    );
    const asks: Readonly<Record<string, () => Promise<unknown>>> = {
      GetObjectVersion: () => s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'versioned', VersionId })),
      GetObjectVersionTagging: () =>
        s3.send(new GetObjectTaggingCommand({ Bucket: bucket, Key: 'versioned', VersionId })),
      GetObjectTagging: () => s3.send(new GetObjectTaggingCommand({ Bucket: bucket, Key: 'versioned' })),
      GetObjectVersionAttributes: () =>
        s3.send(
          new GetObjectAttributesCommand({ Bucket: bucket, Key: 'versioned', VersionId, ObjectAttributes: ['ETag'] }),
        ),
      GetObject: () =>
        s3.send(new GetObjectAttributesCommand({ Bucket: bucket, Key: 'versioned', ObjectAttributes: ['ETag'] })),
      PutObjectTagging: () =>
        s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'versioned', Body: 'y', Tagging: 'a=2' })),
      PutObjectAcl: () =>
        s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'versioned', Body: 'y', ACL: 'private' })),
      PutObjectVersionAcl: () =>
        s3.send(new PutObjectAclCommand({ Bucket: bucket, Key: 'versioned', VersionId, ACL: 'private' })),
      DeleteObjectVersionTagging: () =>
        s3.send(new DeleteObjectTaggingCommand({ Bucket: bucket, Key: 'versioned', VersionId })),
    };
    for (const [action, ask] of Object.entries(asks)) {
      await put(document({ ...allow, Effect: 'Deny', Action: `s3:${action}` }));
      expect({ action, ask: await refusal(ask()) }).toEqual({ action, ask: 'AccessDenied' });
      await put(document({ ...allow, Effect: 'Deny', Action: 's3:BypassGovernanceRetention' }));
      expect({ action, ask: await refusal(ask()) }).toEqual({ action, ask: undefined });
    }
    const source = { StringLike: { 's3:x-amz-copy-source': `${bucket}/secret/*` } };
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'secret/k', Body: 'x' }));
    await put(document({ ...allow, Effect: 'Deny', Action: 's3:PutObject', Condition: source }));
    for (const CopySource of [`${bucket}/secret/k`, `/${bucket}/secret/k`, `${bucket}/%73ecret/k`]) {
      expect(await refusal(s3.send(new CopyObjectCommand({ Bucket: bucket, Key: 'copy', CopySource })))).toBe(
        'AccessDenied',
      );
    }
    const anybodyPuts = { ...allow, Action: 's3:PutObject' };
    await put(
      document(anybodyPuts, {
        ...anybodyPuts,
        Effect: 'Deny',
        Condition: { StringEquals: { 's3:x-amz-acl': 'public-read' } },
      }),
    );
    expect({
      'form key f': await form({ key: 'f' }),
      'form key f acl public-read': await form({ key: 'f', acl: 'public-read' }),
      'form key f x-amz-acl public-read': await form({ key: 'f', 'x-amz-acl': 'public-read' }),
    }).toEqual({ 'form key f': 204, 'form key f acl public-read': 403, 'form key f x-amz-acl public-read': 403 });
  });

  describe('the public access block', () => {
    const block = (wish: PublicAccessBlockConfiguration): Promise<unknown> =>
      s3.send(new PutPublicAccessBlockCommand({ Bucket: bucket, PublicAccessBlockConfiguration: wish }));
    const none: PublicAccessBlockConfiguration = {
      BlockPublicAcls: false,
      IgnorePublicAcls: false,
      BlockPublicPolicy: false,
      RestrictPublicBuckets: false,
    };
    const open = (isOpen: boolean): Promise<number> =>
      world
        .ask('PATCH', `/api/storage/buckets/${bucket}`, { as: 'owner', json: { public: isOpen } })
        .then((answer) => answer.status);
    beforeEach(async () => {
      await block(none);
      await open(false);
      await put(document({ ...allow, Action: 's3:GetBucketAcl' }));
      await s3.send(new PutBucketAclCommand({ Bucket: bucket, ACL: 'private' }));
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x' }));
    });

    /** Conditions that requests of anybody fulfil, and that S3 does not take for narrowing. */
    const fulfilled: readonly Part[] = [
      {},
      { IpAddress: { 'aws:SourceIp': '0.0.0.0/0' } },
      { IpAddress: { 'aws:SourceIp': ['0.0.0.0/1', '128.0.0.0/1'] } },
      { IpAddress: { 'aws:SourceIp': '::ffff:0:0/96' } },
      { NotIpAddress: { 'aws:SourceIp': '203.0.113.0/24' } },
      { StringNotEquals: { 'aws:Referer': 'x' } },
      { StringEqualsIfExists: { 'aws:SourceVpc': 'vpc-1' } },
      { Null: { 'aws:SourceVpc': 'true' } },
      { Bool: { 'aws:SecureTransport': 'false' } },
      { DateGreaterThan: { 'aws:CurrentTime': '2020-01-01T00:00:00Z' } },
      { StringLike: { 'aws:UserAgent': '*' } },
      { 'ForAllValues:StringEquals': { 'aws:SourceVpc': 'vpc-1' } },
      { StringEquals: { 'aws:userid': 'anonymous' } },
      { StringLike: { 'aws:userid': '*' } },
      { StringEquals: { 'aws:PrincipalAccount': 'anonymous' } },
      { StringEquals: { 'aws:ResourceAccount': 'owner' } },
      { StringEquals: { 'aws:userid': '${aws:userid}' } },
      { NumericGreaterThan: { 'aws:EpochTime': '1' } },
    ];
    test.each(fulfilled)(
      'RestrictPublicBuckets holds against %j, and BlockPublicPolicy does not take it',
      async (Condition) => {
        const policy = document({ ...allow, Condition });
        await put(policy);
        expect(await status('k')).toBe(200);
        expect((await s3.send(new GetBucketPolicyStatusCommand({ Bucket: bucket }))).PolicyStatus?.IsPublic).toBe(true);
        await block({ ...none, RestrictPublicBuckets: true });
        expect({
          status: await status('k'),
          'GetObject Bucket bucket Key k': await refusal(
            stranger.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' })),
          ),
        }).toEqual({ status: 403, 'GetObject Bucket bucket Key k': 'AccessDenied' });
        expect(
          await refusal(
            stranger.send(new CopyObjectCommand({ Bucket: bucket, Key: 'mine', CopySource: `${bucket}/k` })),
          ),
        ).toBe('AccessDenied');
        expect(await refusal(s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' })))).toBeUndefined();
        await block({ ...none, BlockPublicPolicy: true });
        expect({ put: await refusal(put(policy)), status: await status('k') }).toEqual({
          put: 'AccessDenied',
          status: 200,
        });
      },
    );

    test('a policy that is not public goes on: BlockPublicPolicy takes it, and RestrictPublicBuckets lets in whom it names', async () => {
      await block({ ...none, BlockPublicPolicy: true, RestrictPublicBuckets: true });
      await put(document({ ...allow, Principal: { AWS: 'stranger' } }));
      expect(await refusal(stranger.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' })))).toBeUndefined();
      await put(document({ ...allow, Condition: { IpAddress: { 'aws:SourceIp': '127.0.0.0/8' } } }));
      expect(await status('k')).toBe(200);
    });

    test('RestrictPublicBuckets ends what a public policy lets a named namespace do', async () => {
      await put(document(allow, { ...allow, Principal: { AWS: 'stranger' }, Action: 's3:PutObject' }));
      const putting = (): Promise<string | undefined> =>
        refusal(stranger.send(new PutObjectCommand({ Bucket: bucket, Key: 'theirs', Body: 'x' })));
      expect(await putting()).toBeUndefined();
      await block({ ...none, RestrictPublicBuckets: true });
      expect(await putting()).toBe('AccessDenied');
      expect(await form({ key: 'form' })).toBe(403);
    });

    test.each(['IgnorePublicAcls', 'RestrictPublicBuckets'] as const)(
      '%s closes a bucket that the console opened, and no longer than it is set',
      async (name) => {
        expect({ open: await open(true), status: await status('k') }).toEqual({ open: 200, status: 200 });
        await block({ ...none, [name]: true });
        expect({
          status: await status('k'),
          'GetObject Bucket bucket Key k': await refusal(
            stranger.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' })),
          ),
        }).toEqual({ status: 403, 'GetObject Bucket bucket Key k': 'AccessDenied' });
        expect(
          await refusal(
            stranger.send(new CopyObjectCommand({ Bucket: bucket, Key: 'mine', CopySource: `${bucket}/k` })),
          ),
        ).toBe('AccessDenied');
        expect(
          (
            await world.ask('POST', `/api/storage/buckets/${bucket}/presign`, {
              as: 'stranger',
              json: { key: 'k', operation: 'get' },
            })
          ).status,
        ).not.toBe(200);
        await block(none);
        expect(await status('k')).toBe(200);
      },
    );

    test.each(['BlockPublicAcls', 'BlockPublicPolicy'] as const)(
      '%s does not let the console open a bucket',
      async (name) => {
        await block({ ...none, [name]: true });
        expect({ open: await open(true), status: await status('k') }).toEqual({ open: 403, status: 403 });
        await block(none);
        expect({ open: await open(true), status: await status('k') }).toEqual({ open: 200, status: 200 });
      },
    );

    const everybody = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"';
    const anyone = 'uri="http://acs.amazonaws.com/groups/global/AuthenticatedUsers"';
    const lists: readonly Part[] = [
      { ACL: 'public-read' },
      { ACL: 'public-read-write' },
      { ACL: 'authenticated-read' },
      { GrantRead: everybody },
      { GrantRead: anyone },
      { GrantFullControl: everybody },
    ];
    test.each(lists)('BlockPublicAcls takes no %j, and IgnorePublicAcls passes over it', async (list) => {
      await s3.send(new PutObjectAclCommand({ Bucket: bucket, Key: 'k', ...list }));
      await s3.send(new PutBucketAclCommand({ Bucket: bucket, ...list }));
      expect(await refusal(stranger.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' })))).toBeUndefined();
      await block({ ...none, BlockPublicAcls: true });
      expect(await refusal(stranger.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' })))).toBeUndefined();
      for (const command of [
        new PutObjectAclCommand({ Bucket: bucket, Key: 'k', ...list }),
        new PutBucketAclCommand({ Bucket: bucket, ...list }),
        new PutObjectCommand({ Bucket: bucket, Key: 'new', Body: 'x', ...list }),
        new CopyObjectCommand({ Bucket: bucket, Key: 'copy', CopySource: `${bucket}/k`, ...list }),
      ])
        expect(await refusal(s3.send(command as PutObjectCommand))).toBe('AccessDenied');
      await block({ ...none, IgnorePublicAcls: true });
      expect({
        'GetObject Bucket bucket Key k': await refusal(
          stranger.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' })),
        ),
        'status k': await status('k'),
        'status empty': await status(''),
      }).toEqual({ 'GetObject Bucket bucket Key k': 'AccessDenied', 'status k': 403, 'status empty': 403 });
    });
  });
});
