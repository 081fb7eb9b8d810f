/** Object lock protects versions against every face, task and setting. */
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectLegalHoldCommand,
  GetObjectRetentionCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutBucketAclCommand,
  PutBucketPolicyCommand,
  PutBucketLifecycleConfigurationCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  PutObjectTaggingCommand,
  UploadPartCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runLifecycle } from '../../src/faces/s3/lifecycle.ts';
import { refusal, s3Client } from '../support/s3.ts';
import { openWorld, type World } from '../support/world.ts';

const day = 86_400_000;
let world: World;
let s3: S3Client;

beforeAll(async () => {
  world = await openWorld();
  await world.addNamespace('tenant');
  s3 = await s3Client(world, { as: 'tenant' });
});
afterAll(() => world.close());

type Kind = 'COMPLIANCE' | 'GOVERNANCE' | 'hold' | 'default';

let buckets = 0;
async function lockBucket(client = s3): Promise<string> {
  const Bucket = `locked-${(buckets += 1)}`;
  await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
  return Bucket;
}

/** A locked version behind a newer one that is not locked. */
async function lockedVersion(
  kind: Kind,
  client = s3,
): Promise<{ Bucket: string; Key: string; VersionId: string; artifact: string }> {
  const Bucket = await lockBucket(client);
  const Key = 'k';
  const until = { ObjectLockRetainUntilDate: new Date(world.clock.now() + 10 * day) };
  const lock =
    kind === 'hold'
      ? { ObjectLockLegalHoldStatus: 'ON' as const }
      : kind === 'default'
        ? {}
        : { ObjectLockMode: kind, ...until };
  const rule = (retention: { Mode: 'COMPLIANCE'; Days: number } | undefined) =>
    client.send(
      new PutObjectLockConfigurationCommand({
        Bucket,
        ObjectLockConfiguration: {
          ObjectLockEnabled: 'Enabled',
          ...(retention ? { Rule: { DefaultRetention: retention } } : {}),
        },
      }),
    );
  if (kind === 'default') await rule({ Mode: 'COMPLIANCE', Days: 10 });
  const { VersionId } = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'locked', ...lock }));
  if (kind === 'default') await rule(undefined);
  await client.send(new PutObjectCommand({ Bucket, Key, Body: 'newer' }));
  const { artifact } = (await world.core.objects.peek(Bucket, Key))!;
  return { Bucket, Key, VersionId: VersionId!, artifact };
}

async function bodyOf({ Bucket, Key, VersionId }: { Bucket: string; Key: string; VersionId: string }): Promise<string> {
  return (await s3.send(new GetObjectCommand({ Bucket, Key, VersionId }))).Body!.transformToString();
}

const kinds: readonly Kind[] = ['COMPLIANCE', 'GOVERNANCE', 'hold', 'default'];

describe.each(kinds)('a version under %s', (kind) => {
  test('is not deleted by S3, one by one or in a list', async () => {
    const { artifact: _, ...version } = await lockedVersion(kind);
    const { Bucket, Key, VersionId } = version;
    const bypass = kind === 'GOVERNANCE' ? {} : { BypassGovernanceRetention: true };
    expect(await refusal(s3.send(new DeleteObjectCommand({ ...version, ...bypass })))).toBe('AccessDenied');
    const { Errors } = await s3.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key, VersionId }] }, ...bypass }),
    );
    expect(Errors).toMatchObject([{ Code: 'AccessDenied', VersionId }]);
    await s3.send(new DeleteObjectCommand({ Bucket, Key }));
    expect(await bodyOf(version)).toBe('locked');
    expect(await refusal(s3.send(new DeleteBucketCommand({ Bucket })))).toBe('BucketNotEmpty');
  });

  test('is not deleted as a version of an artifact, with its artifact, or by a limit of versions', async () => {
    const version = await lockedVersion(kind);
    const path = `/artifacts/${version.artifact}`;
    const asked = { as: 'tenant' };
    const doors = [
      await world.ask('DELETE', path, asked),
      await world.ask('DELETE', `${path}/versions/1`, asked),
      await world.ask('POST', `${path}/versions`, { ...asked, json: { max_versions: 1 } }),
      await world.ask('DELETE', '/artifacts', { ...asked, json: { confirm: true, namespace: 'tenant' } }),
      await world.ask('DELETE', '/auth/namespaces/tenant'),
    ];
    expect(doors.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403]);
    expect(doors[0]!.json()).toMatchObject({
      status: 403,
      code: 'forbidden',
      error: expect.stringContaining('object lock'),
      locked: 'yes',
    });
    expect(await bodyOf(version)).toBe('locked');
    expect((await world.get<{ max_versions: number }>('GET', path, asked)).max_versions).toBe(0);
  });

  test('stays when the rules of its bucket say that it goes', async () => {
    const version = await lockedVersion(kind);
    await s3.send(
      new PutBucketLifecycleConfigurationCommand({
        Bucket: version.Bucket,
        LifecycleConfiguration: {
          Rules: [
            { ID: 'r', Status: 'Enabled', Filter: { Prefix: '' }, NoncurrentVersionExpiration: { NoncurrentDays: 1 } },
          ],
        },
      }),
    );
    world.clock.move(2 * day);
    await runLifecycle(world.core, { day });
    world.clock.move(-2 * day);
    expect(await bodyOf(version)).toBe('locked');
  });

  test('may be deleted once the lock has ended', async () => {
    const { artifact, ...version } = await lockedVersion(kind);
    if (kind === 'hold') await s3.send(new PutObjectLegalHoldCommand({ ...version, LegalHold: { Status: 'OFF' } }));
    else world.clock.move(11 * day);
    const late = await s3Client(world, { as: 'tenant', systemClockOffset: kind === 'hold' ? 0 : 11 * day });
    expect((await world.ask('DELETE', `/artifacts/${artifact}/versions/1`, { as: 'tenant' })).status).toBe(200);
    if (kind !== 'hold') world.clock.move(-11 * day);
    late.destroy();
    expect(await refusal(bodyOf(version))).toBe('NoSuchVersion');
  });
});

test('GOVERNANCE may be bypassed by S3 with the right to, and by no other face', async () => {
  const { artifact, ...version } = await lockedVersion('GOVERNANCE');
  expect(
    (
      await world.ask('DELETE', `/artifacts/${artifact}/versions/1`, {
        as: 'tenant',
        headers: { 'x-amz-bypass-governance-retention': 'true' },
      })
    ).status,
  ).toBe(403);
  const weak = await s3Client(world, {
    as: 'tenant',
    wish: { permissions: { read: true, write: true, delete: true, admin: false } },
  });
  expect(await refusal(weak.send(new DeleteObjectCommand({ ...version, BypassGovernanceRetention: true })))).toBe(
    'AccessDenied',
  );
  expect(
    await refusal(
      weak.send(new PutObjectRetentionCommand({ ...version, BypassGovernanceRetention: true, Retention: {} })),
    ),
  ).toBe('AccessDenied');
  await s3.send(new DeleteObjectCommand({ ...version, BypassGovernanceRetention: true }));
  expect(await refusal(bodyOf(version))).toBe('NoSuchVersion');
});

test('a caller whom a list lets put objects may not lock them, nor tag them where a policy could look at tags', async () => {
  const Bucket = await lockBucket();
  await s3.send(new PutBucketAclCommand({ Bucket, ACL: 'public-read-write' }));
  const until = { 'x-amz-object-lock-retain-until-date': new Date(world.clock.now() + day).toISOString() };
  const put = async (headers: Record<string, string>): Promise<number> =>
    (await fetch(`${world.s3Url}/${Bucket}/k`, { method: 'PUT', body: 'x', headers })).status;
  expect(await put({})).toBe(200);
  expect(await put({ 'x-amz-object-lock-mode': 'COMPLIANCE', ...until })).toBe(403);
  expect(await put({ 'x-amz-object-lock-legal-hold': 'ON' })).toBe(403);
  expect(await put({ 'x-amz-tagging': 'a=b' })).toBe(200);
  const Statement = [
    { Effect: 'Allow', Principal: { AWS: 'other' }, Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/*` },
  ];
  await s3.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) }));
  expect(await put({})).toBe(200);
  expect(await put({ 'x-amz-tagging': 'a=b' })).toBe(403);
});

test('a retention gets longer, and never weaker', async () => {
  const { artifact: _, ...version } = await lockedVersion('COMPLIANCE');
  const retain = (Mode: 'COMPLIANCE' | 'GOVERNANCE', days: number) =>
    s3.send(
      new PutObjectRetentionCommand({
        ...version,
        BypassGovernanceRetention: true,
        Retention: { Mode, RetainUntilDate: new Date(world.clock.now() + days * day) },
      }),
    );
  expect({
    'retain COMPLIANCE 9': await refusal(retain('COMPLIANCE', 9)),
    'retain GOVERNANCE 20': await refusal(retain('GOVERNANCE', 20)),
    'retain COMPLIANCE 20': await refusal(retain('COMPLIANCE', 20)),
  }).toEqual({
    'retain COMPLIANCE 9': 'AccessDenied',
    'retain GOVERNANCE 20': 'AccessDenied',
    'retain COMPLIANCE 20': undefined,
  });
  expect((await s3.send(new GetObjectRetentionCommand(version))).Retention?.Mode).toBe('COMPLIANCE');
});

test('lock, tags, list and metadata of a version are set apart from each other', async () => {
  const Bucket = await lockBucket();
  const Key = 'all';
  await s3.send(
    new PutObjectCommand({ Bucket, Key, Body: 'x', Metadata: { a: 'b' }, Tagging: 'old=1', ContentType: 'text/plain' }),
  );
  await Promise.all([
    s3.send(new PutObjectLegalHoldCommand({ Bucket, Key, LegalHold: { Status: 'ON' } })),
    s3.send(new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet: [{ Key: 'new', Value: '2' }] } })),
    s3.send(
      new PutObjectRetentionCommand({
        Bucket,
        Key,
        Retention: { Mode: 'GOVERNANCE', RetainUntilDate: new Date(world.clock.now() + day) },
      }),
    ),
    s3.send(new PutObjectAclCommand({ Bucket, Key, ACL: 'public-read' })),
  ]);
  expect((await s3.send(new GetObjectLegalHoldCommand({ Bucket, Key }))).LegalHold).toEqual({ Status: 'ON' });
  expect((await s3.send(new GetObjectTaggingCommand({ Bucket, Key }))).TagSet).toEqual([{ Key: 'new', Value: '2' }]);
  expect(await s3.send(new HeadObjectCommand({ Bucket, Key }))).toMatchObject({
    Metadata: { a: 'b' },
    ContentType: 'text/plain',
    ObjectLockMode: 'GOVERNANCE',
    ObjectLockLegalHoldStatus: 'ON',
  });
  expect((await fetch(`${world.s3Url}/${Bucket}/${Key}`)).status).toBe(200);
});

test('a limit of versions that was set before passes over versions that are locked later', async () => {
  const Bucket = await lockBucket();
  const Key = 'k';
  const put = (Body: string, more = {}) => s3.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
  await put('first');
  const { artifact } = (await world.core.objects.peek(Bucket, Key))!;
  expect(
    (await world.ask('POST', `/artifacts/${artifact}/versions`, { as: 'tenant', json: { max_versions: 1 } })).status,
  ).toBe(200);
  const { VersionId } = await put('held', { ObjectLockLegalHoldStatus: 'ON' });
  await put('third');
  await put('fourth');
  const allowed = await world.core.buckets.allow({ namespace: 'tenant', credential: 't' }, Bucket, 'list');
  const versions = await world.core.objects.versions(allowed, {
    prefix: '',
    after: null,
    behind: null,
    limit: 10,
  });
  expect(versions.map(({ index }) => index)).toEqual([4, 2]);
  expect(await bodyOf({ Bucket, Key, VersionId: VersionId! })).toBe('held');
});

test.each([
  's3://victim/key',
  'S3://victim/key',
  ' s3://victim/key',
  'sf://upload/owner/name',
  'release:r/f',
  'slot/1',
  'download/1',
  'catalog:00',
])("the source URL %j is no client's to name", async (url) => {
  const upload = await world.upload(Buffer.from('x'), 'tenant');
  const convert = await world.ask('POST', '/artifacts/upload/n', {
    as: 'tenant',
    json: { upload_uuid: upload, source_url: url, artifact_type: 'other', max_versions: 1 },
  });
  const fetched = await world.ask('POST', '/artifacts', { as: 'tenant', json: { url } });
  expect({ 'convert status': convert.status, code: convert.json()['code'], 'fetched status': fetched.status }).toEqual({
    'convert status': 400,
    code: 'malformed',
    'fetched status': 400,
  });
  expect((await world.ask('GET', `/upload/${upload}`, { as: 'tenant' })).status).toBe(200);
});

test('a bucket that is removed takes the bytes of its multipart uploads along, the joined ones too', async () => {
  const own = await openWorld();
  const client = await s3Client(own);
  try {
    const place = { Bucket: 'gone', Key: 'k' };
    await client.send(new CreateBucketCommand({ Bucket: 'gone' }));
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(place));
    for (const PartNumber of [1, 2, 3])
      await client.send(new UploadPartCommand({ ...place, UploadId, PartNumber, Body: `part ${PartNumber}` }));
    const stages = () => readdir(join(own.folder, 'uploads'));
    expect((await stages()).length).toBeGreaterThan(2);
    await client.send(new DeleteBucketCommand({ Bucket: 'gone' }));
    expect(await stages()).toEqual([]);
    const left = await own.core.usage.get({ namespace: 'system', credential: 't' });
    expect({ reserved: left.reserved, stored: left.stored }).toEqual({ reserved: 0, stored: 0 });
  } finally {
    client.destroy();
    await own.close();
  }
});
