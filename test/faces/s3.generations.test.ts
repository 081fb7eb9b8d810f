/** Grants to a namespace end with it: a later namespace of the same name gains nothing. */
import {
  CreateBucketCommand,
  DeletePublicAccessBlockCommand,
  GetBucketAclCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutBucketAclCommand,
  PutBucketOwnershipControlsCommand,
  PutBucketPolicyCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { refusal, s3Client } from '../support/s3.ts';
import { openWorld, type World } from '../support/world.ts';

const Bucket = 'shelf';
const Key = 'book';
let world: World;
let owner: S3Client;
let friend: S3Client;

beforeAll(async () => {
  world = await openWorld();
  // One name can be given again within a millisecond.
  world.clock.freeze();
});
afterAll(() => world.close());

beforeEach(async () => {
  await world.addNamespace('owner');
  await world.addNamespace('friend');
  owner = await s3Client(world, { as: 'owner' });
  friend = await s3Client(world, { as: 'friend' });
  await owner.send(new CreateBucketCommand({ Bucket }));
  await owner.send(new DeletePublicAccessBlockCommand({ Bucket }));
  const OwnershipControls = { Rules: [{ ObjectOwnership: 'ObjectWriter' as const }] };
  await owner.send(new PutBucketOwnershipControlsCommand({ Bucket, OwnershipControls }));
  await owner.send(new PutObjectCommand({ Bucket, Key, Body: 'text' }));
});
/** With its namespace goes its bucket. */
afterEach(async () => {
  for (const name of ['owner', 'friend']) await world.get('DELETE', `/auth/namespaces/${name}`);
});

/** Deletes `friend`, makes another namespace of that name, and answers a client of it. */
async function nextFriend(): Promise<S3Client> {
  await world.get('DELETE', '/auth/namespaces/friend');
  await world.addNamespace('friend');
  return s3Client(world, { as: 'friend', wish: { name: 'next' } });
}

const read = (client: S3Client): Promise<string | undefined> =>
  refusal(client.send(new GetObjectCommand({ Bucket, Key })));
const list = (client: S3Client): Promise<string | undefined> =>
  refusal(client.send(new ListObjectsV2Command({ Bucket })));

function policy(...statements: readonly object[]): PutBucketPolicyCommand {
  const all = statements.map((statement) => ({
    Action: 's3:GetObject',
    Resource: `arn:aws:s3:::${Bucket}/*`,
    ...statement,
  }));
  return new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement: all }) });
}

test('a grant on an object is of the namespace that had the name, and is shown by name', async () => {
  await owner.send(new PutObjectAclCommand({ Bucket, Key, GrantRead: 'id=friend' }));
  expect(await read(friend)).toBeUndefined();
  const { Grants } = await owner.send(new GetObjectAclCommand({ Bucket, Key }));
  expect(Grants).toEqual([
    { Grantee: { Type: 'CanonicalUser', ID: 'friend', DisplayName: 'friend' }, Permission: 'READ' },
  ]);
  const next = await nextFriend();
  expect(await read(next)).toBe('AccessDenied');
  await owner.send(new PutObjectAclCommand({ Bucket, Key, GrantRead: 'id=friend' }));
  expect(await read(next)).toBeUndefined();
});

test('a grant on a bucket is of the namespace that had the name, and stays with a list that is put back as it was got', async () => {
  await owner.send(new PutBucketAclCommand({ Bucket, GrantRead: 'id=friend', GrantFullControl: 'id=owner' }));
  expect(await list(friend)).toBeUndefined();
  const { Owner, Grants } = await owner.send(new GetBucketAclCommand({ Bucket }));
  expect(Owner).toMatchObject({ ID: 'owner' });
  await owner.send(new PutBucketAclCommand({ Bucket, AccessControlPolicy: { Owner, Grants } }));
  expect(await list(friend)).toBeUndefined();
  expect(await list(await nextFriend())).toBe('AccessDenied');
});

test("an object that a namespace wrote into the bucket of another is not the next one's of its name", async () => {
  await owner.send(new PutBucketAclCommand({ Bucket, GrantWrite: 'id=friend' }));
  await friend.send(new PutObjectCommand({ Bucket, Key, Body: 'of a friend' }));
  expect(await read(friend)).toBeUndefined();
  const { Owner } = await friend.send(new GetObjectAclCommand({ Bucket, Key }));
  expect(Owner).toMatchObject({ ID: 'friend' });
  const next = await nextFriend();
  expect(await read(next)).toBe('AccessDenied');
  expect(await refusal(next.send(new GetObjectAclCommand({ Bucket, Key })))).toBe('AccessDenied');
});

test('what a policy allows a namespace, it allows no other one of its name until it is put again', async () => {
  const allow = policy({ Effect: 'Allow', Principal: { AWS: 'arn:aws:iam::friend:root' } });
  await owner.send(allow);
  expect(await read(friend)).toBeUndefined();
  const next = await nextFriend();
  expect(await read(next)).toBe('AccessDenied');
  await owner.send(allow);
  expect(await read(next)).toBeUndefined();
});

test('a policy that names a namespace that there is not allows one of that name nothing later', async () => {
  await owner.send(policy({ Effect: 'Allow', Principal: { AWS: 'later' } }));
  await world.addNamespace('later');
  expect(await read(await s3Client(world, { as: 'later' }))).toBe('AccessDenied');
});

test('what a policy denies a name, it denies every namespace of that name', async () => {
  await owner.send(policy({ Effect: 'Allow', Principal: '*' }, { Effect: 'Deny', Principal: { AWS: 'friend' } }));
  expect(await read(friend)).toBe('AccessDenied');
  expect(await read(await nextFriend())).toBe('AccessDenied');
});

test('whom a policy spares from a denial is the namespace that had the name', async () => {
  const spare = { Effect: 'Deny', NotPrincipal: { AWS: ['friend', 'owner'] } };
  await owner.send(policy({ Effect: 'Allow', Principal: '*' }, spare));
  expect(await read(friend)).toBeUndefined();
  expect(await read(owner)).toBeUndefined();
  expect(await read(await nextFriend())).toBe('AccessDenied');
});

describe('a condition that names a namespace', () => {
  const account = { 'aws:PrincipalAccount': 'friend' };
  const arn = { 'aws:PrincipalArn': 'arn:aws:iam::friend:root' };

  test.each([
    ['StringEquals', account],
    ['StringEqualsIgnoreCase', { 'aws:PrincipalAccount': 'FRIEND' }],
    ['ForAnyValue:StringLike', { 'aws:userid': 'friend' }],
    ['StringEqualsIfExists', { 'aws:username': ['other', 'friend'] }],
    ['ArnLike', { 'aws:PrincipalArn': 'arn:aws:iam::friend:*' }],
    ['StringEquals', arn],
  ])('allows no other one of its name until it is put again: %s %j', async (operator, keys) => {
    const allow = policy({ Effect: 'Allow', Principal: '*', Condition: { [operator]: keys } });
    await owner.send(allow);
    expect(await read(friend)).toBeUndefined();
    const next = await nextFriend();
    expect(await read(next)).toBe('AccessDenied');
    await owner.send(allow);
    expect(await read(next)).toBeUndefined();
  });

  test.each([
    ['StringNotEquals', { 'aws:PrincipalAccount': ['friend', 'owner'] }],
    ['ArnNotLike', { 'aws:PrincipalArn': ['arn:aws:iam::friend:root', 'arn:aws:iam::owner:root'] }],
  ])('spares no other one of its name from a denial: %s', async (operator, keys) => {
    const deny = { Effect: 'Deny', Principal: '*', Condition: { [operator]: keys } };
    await owner.send(policy({ Effect: 'Allow', Principal: '*' }, deny));
    expect(await read(friend)).toBeUndefined();
    expect(await read(owner)).toBeUndefined();
    expect(await read(await nextFriend())).toBe('AccessDenied');
  });

  test.each([
    ['Deny', 'StringEquals', account],
    ['Deny', 'ArnEquals', arn],
    ['Allow', 'StringNotEquals', account],
  ])('denies every namespace of its name: %s %s', async (Effect, operator, keys) => {
    const statements = [{ Effect, Principal: '*', Condition: { [operator]: keys } }];
    if (Effect === 'Deny') statements.push({ Effect: 'Allow', Principal: '*' } as (typeof statements)[number]);
    await owner.send(policy(...statements));
    expect(await read(friend)).toBe('AccessDenied');
    expect(await read(await nextFriend())).toBe('AccessDenied');
  });

  test('is a pattern where it has wildcards, and fits every namespace of such a name', async () => {
    const like = { StringLike: { 'aws:PrincipalAccount': 'fri*' } };
    await owner.send(policy({ Effect: 'Allow', Principal: '*', Condition: like }));
    expect(await read(await nextFriend())).toBeUndefined();
  });
});

test('a token and a trust end with the namespace', async () => {
  await world.get('POST', '/auth/namespaces/owner/trust', { as: 'owner', json: { external_namespace: 'friend' } });
  expect((await world.ask('GET', '/auth/namespaces/owner', { as: 'friend' })).status).toBe(200);
  const next = await nextFriend();
  expect(await list(friend)).not.toBeUndefined();
  expect(await list(next)).toBe('AccessDenied');
});
