/** Every operation, by every way of proving who asks. An operation without a row here fails. */
import { createHash } from 'node:crypto';
import { CreateBucketCommand, CreateMultipartUploadCommand, PutObjectCommand, UploadPartCommand, type S3Client } from '@aws-sdk/client-s3';
import { s3Client } from '../support/s3.ts';
import { operationNames } from '../../src/faces/s3/operations.ts';
import { canonicalRequest, encode, stringToSign } from '../../src/faces/s3/signing/canonical.ts';
import { hmac, scopeOf, signingKeyOf } from '../../src/faces/s3/signing/verify.ts';
import { openWorld, type World } from '../support/world.ts';

type Permission = 'read' | 'write' | 'delete' | 'admin';

/** How each is asked, and what a key must be for. */
const rows: Readonly<Record<string, readonly [method: string, target: string, needs: Permission | 'nothing', headers?: Record<string, string>]>> = {
  AbortMultipartUpload: ['DELETE', '/b-matrix/k?uploadId=x', 'write'],
  CompleteMultipartUpload: ['POST', '/b-matrix/k?uploadId=x', 'write'],
  CopyObject: ['PUT', '/b-matrix/copy', 'write', { 'x-amz-copy-source': 'b-matrix/k' }],
  CreateBucket: ['PUT', '/b-matrix-new', 'admin'],
  CreateMultipartUpload: ['POST', '/b-matrix/k?uploads', 'write'],
  DeleteBucket: ['DELETE', '/b-matrix', 'admin'],
  DeleteBucketCors: ['DELETE', '/b-matrix?cors', 'admin'],
  DeleteBucketLifecycle: ['DELETE', '/b-matrix?lifecycle', 'admin'],
  DeleteBucketOwnershipControls: ['DELETE', '/b-matrix?ownershipControls', 'admin'],
  DeleteBucketPolicy: ['DELETE', '/b-matrix?policy', 'admin'],
  DeleteBucketTagging: ['DELETE', '/b-matrix?tagging', 'admin'],
  DeleteObject: ['DELETE', '/b-matrix/none', 'delete'],
  DeleteObjectTagging: ['DELETE', '/b-matrix/k?tagging', 'write'],
  DeleteObjects: ['POST', '/b-matrix?delete', 'delete'],
  DeletePublicAccessBlock: ['DELETE', '/b-matrix?publicAccessBlock', 'admin'],
  GetBucketAccelerateConfiguration: ['GET', '/b-matrix?accelerate', 'read'],
  GetBucketAcl: ['GET', '/b-matrix?acl', 'read'],
  GetBucketAnalyticsConfiguration: ['GET', '/b-matrix?analytics&id=x', 'read'],
  GetBucketCors: ['GET', '/b-matrix?cors', 'admin'],
  GetBucketEncryption: ['GET', '/b-matrix?encryption', 'read'],
  GetBucketIntelligentTieringConfiguration: ['GET', '/b-matrix?intelligent-tiering&id=x', 'read'],
  GetBucketInventoryConfiguration: ['GET', '/b-matrix?inventory&id=x', 'read'],
  GetBucketLifecycleConfiguration: ['GET', '/b-matrix?lifecycle', 'admin'],
  GetBucketLocation: ['GET', '/b-matrix?location', 'read'],
  GetBucketLogging: ['GET', '/b-matrix?logging', 'read'],
  GetBucketMetricsConfiguration: ['GET', '/b-matrix?metrics&id=x', 'read'],
  GetBucketNotificationConfiguration: ['GET', '/b-matrix?notification', 'read'],
  GetBucketOwnershipControls: ['GET', '/b-matrix?ownershipControls', 'admin'],
  GetBucketPolicy: ['GET', '/b-matrix?policy', 'admin'],
  GetBucketPolicyStatus: ['GET', '/b-matrix?policyStatus', 'admin'],
  GetBucketReplication: ['GET', '/b-matrix?replication', 'read'],
  GetBucketRequestPayment: ['GET', '/b-matrix?requestPayment', 'read'],
  GetBucketTagging: ['GET', '/b-matrix?tagging', 'admin'],
  GetBucketVersioning: ['GET', '/b-matrix?versioning', 'read'],
  GetBucketWebsite: ['GET', '/b-matrix?website', 'read'],
  GetObject: ['GET', '/b-matrix/k', 'read'],
  GetObjectAcl: ['GET', '/b-matrix/k?acl', 'read'],
  GetObjectAttributes: ['GET', '/b-matrix/k?attributes', 'read', { 'x-amz-object-attributes': 'ETag' }],
  GetObjectLegalHold: ['GET', '/b-matrix/k?legal-hold', 'read'],
  GetObjectLockConfiguration: ['GET', '/b-matrix?object-lock', 'admin'],
  GetObjectRetention: ['GET', '/b-matrix/k?retention', 'read'],
  GetObjectTagging: ['GET', '/b-matrix/k?tagging', 'read'],
  GetPublicAccessBlock: ['GET', '/b-matrix?publicAccessBlock', 'admin'],
  HeadBucket: ['HEAD', '/b-matrix', 'read'],
  HeadObject: ['HEAD', '/b-matrix/k', 'read'],
  ListBucketAnalyticsConfigurations: ['GET', '/b-matrix?analytics', 'read'],
  ListBucketIntelligentTieringConfigurations: ['GET', '/b-matrix?intelligent-tiering', 'read'],
  ListBucketInventoryConfigurations: ['GET', '/b-matrix?inventory', 'read'],
  ListBucketMetricsConfigurations: ['GET', '/b-matrix?metrics', 'read'],
  ListBuckets: ['GET', '/', 'nothing'],
  ListMultipartUploads: ['GET', '/b-matrix?uploads', 'read'],
  ListObjectVersions: ['GET', '/b-matrix?versions', 'read'],
  ListObjects: ['GET', '/b-matrix', 'read'],
  ListObjectsV2: ['GET', '/b-matrix?list-type=2', 'read'],
  ListParts: ['GET', '/b-matrix/k?uploadId=x', 'write'],
  // Who asks is told by a form's own fields; see the tests of forms.
  PostObject: ['POST', '/b-matrix', 'nothing'],
  PutBucketAcl: ['PUT', '/b-matrix?acl', 'admin'],
  PutBucketCors: ['PUT', '/b-matrix?cors', 'admin'],
  PutBucketLifecycleConfiguration: ['PUT', '/b-matrix?lifecycle', 'admin'],
  PutBucketOwnershipControls: ['PUT', '/b-matrix?ownershipControls', 'admin'],
  PutBucketPolicy: ['PUT', '/b-matrix?policy', 'admin'],
  PutBucketTagging: ['PUT', '/b-matrix?tagging', 'admin'],
  PutBucketVersioning: ['PUT', '/b-matrix?versioning', 'admin'],
  PutObject: ['PUT', '/b-matrix/put', 'write'],
  PutObjectAcl: ['PUT', '/b-matrix/k?acl', 'write'],
  PutObjectLegalHold: ['PUT', '/b-matrix/k?legal-hold', 'write'],
  PutObjectLockConfiguration: ['PUT', '/b-matrix?object-lock', 'admin'],
  PutObjectRetention: ['PUT', '/b-matrix/k?retention', 'write'],
  PutObjectTagging: ['PUT', '/b-matrix/k?tagging', 'write'],
  PutPublicAccessBlock: ['PUT', '/b-matrix?publicAccessBlock', 'admin'],
  UploadPart: ['PUT', '/b-matrix/k?uploadId=x&partNumber=1', 'write'],
  UploadPartCopy: ['PUT', '/b-matrix/k?uploadId=x&partNumber=1', 'write', { 'x-amz-copy-source': 'b-matrix/k' }],
};

let world: World;
let s3: S3Client;
const keys = new Map<string, { accessKeyId: string; secretAccessKey: string }>();
const permissions: readonly Permission[] = ['read', 'write', 'delete', 'admin'];

beforeAll(async () => {
  world = await openWorld();
  await world.addNamespace('owner');
  await world.addNamespace('stranger');
  s3 = await s3Client(world, { as: 'owner' });
  await s3.send(new CreateBucketCommand({ Bucket: 'b-matrix' }));
  await s3.send(new CreateBucketCommand({ Bucket: 'b-elsewhere' }));
  await s3.send(new PutObjectCommand({ Bucket: 'b-matrix', Key: 'k', Body: 'x' }));
  keys.set('stranger', await world.accessKey('stranger'));
  for (const permission of permissions) keys.set(permission, await world.accessKey('owner', { permissions: { [permission]: true } }));
  keys.set('elsewhere', await world.accessKey('owner', { buckets: ['b-elsewhere'] }));
  const revoked = await world.accessKey('owner');
  await world.ask('DELETE', `/api/storage/keys/${revoked.accessKeyId}`, { as: 'owner' });
  keys.set('revoked', revoked);
});
afterAll(() => world.close());

type Form = 'header' | 'query';

/** Sends a request signed by hand; answers status and code. */
async function send(form: Form, key: string, row: (typeof rows)[string], tamper: 'signature' | 'time' | undefined = undefined, body = ''): Promise<[number, string | undefined]> {
  const [method, target, , extra = {}] = row;
  const { accessKeyId, secretAccessKey } = keys.get(key)!;
  const { host } = new URL(world.s3Url);
  const at = world.clock.now() - (tamper === 'time' ? 3_600_000 : 0);
  const date = new Date(at).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const scope = { date: date.slice(0, 8), region: 'us-east-1' };
  const payload = form === 'header' ? createHash('sha256').update(body).digest('hex') : 'UNSIGNED-PAYLOAD';
  const headers: Record<string, string> = { host, ...extra, ...(form === 'header' ? { 'x-amz-content-sha256': payload, 'x-amz-date': date } : {}) };
  const signed = Object.keys(headers).toSorted();
  const query = { 'X-Amz-Algorithm': 'AWS4-HMAC-SHA256', 'X-Amz-Credential': `${accessKeyId}/${scopeOf(scope)}`, 'X-Amz-Date': date, 'X-Amz-Expires': '60', 'X-Amz-SignedHeaders': signed.join(';') };
  const whole = form === 'header' ? target : `${target}${target.includes('?') ? '&' : '?'}${Object.entries(query).map(([name, value]) => `${name}=${encode(value)}`).join('&')}`;
  const canonical = canonicalRequest({ method, target: whole, headers: Object.entries(headers).flat() }, signed, payload);
  const right = hmac(signingKeyOf(secretAccessKey, scope), stringToSign(date, scopeOf(scope), canonical)).toString('hex');
  const signature = tamper === 'signature' ? right.replace(/^./, (digit) => (digit === '0' ? '1' : '0')) : right;
  const { host: _, ...sent } = headers;
  const authorization = form === 'header' ? { authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scopeOf(scope)}, SignedHeaders=${signed.join(';')}, Signature=${signature}` } : {};
  return answered(await fetch(`${world.s3Url}${form === 'header' ? whole : `${whole}&X-Amz-Signature=${signature}`}`, { method, headers: { ...sent, ...authorization }, ...(body === '' ? {} : { body }) }));
}

async function answered(answer: Response): Promise<[number, string | undefined]> {
  return [answer.status, /<Code>(\w+)<\/Code>/.exec(await answer.text())?.[1]];
}

const denied = (method: string): [number, string | undefined] => [403, method === 'HEAD' ? undefined : 'AccessDenied'];

test('no operation is without a row', () => {
  expect(operationNames.toSorted()).toEqual(Object.keys(rows).toSorted());
});

describe.each(Object.entries(rows))('%s', (name, row) => {
  const [method, target, needs] = row;

  test.each(['header', 'query'] as const)('%s form: a wrong signature, another time, a revoked key', async (form) => {
    const code = (one: string): string | undefined => (method === 'HEAD' ? undefined : one);
    expect(await send(form, 'admin', row, 'signature')).toEqual([403, code('SignatureDoesNotMatch')]);
    expect(await send(form, 'admin', row, 'time')).toEqual([403, code(form === 'header' ? 'RequestTimeTooSkewed' : 'AccessDenied')]);
    expect(await send(form, 'revoked', row)).toEqual([403, code('InvalidAccessKeyId')]);
  });

  if (needs === 'nothing') return;

  test('nobody, another namespace, a key for another bucket', async () => {
    expect(await answered(await fetch(`${world.s3Url}${target}`, { method, headers: row[3] ?? {} }))).toEqual(denied(method));
    if (name !== 'CreateBucket') expect(await send('header', 'stranger', row)).toEqual(denied(method));
    expect(await send('query', 'elsewhere', row)).toEqual(denied(method));
  });

  test.each(['header', 'query'] as const)('%s form: each permission alone', async (form) => {
    for (const permission of permissions.filter((one) => one !== needs)) {
      if (target.includes('?delete') && permission !== needs) continue;
      expect([permission, ...(await send(form, permission, row))]).toEqual([permission, ...denied(method)]);
    }
  });
});

/** What an operation needs, how it is asked, with which body, and what the answer is where it may be done. */
interface Ask {
  readonly needs: readonly Permission[];
  readonly method: string;
  /** What is asked for, which is made first where that has to be. */
  readonly target: (fresh: string) => string | Promise<string>;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly status: number;
}

const begun = async (): Promise<string> => (await s3.send(new CreateMultipartUploadCommand({ Bucket: 'b-matrix', Key: 'k' }))).UploadId!;
/** The MD5 of `part`. */
const partTag = createHash('md5').update('part').digest('hex');

const asks: Readonly<Record<string, Ask>> = {
  ListBuckets: { needs: [], method: 'GET', target: () => '/', status: 200 },
  ListObjects: { needs: ['read'], method: 'GET', target: () => '/b-matrix', status: 200 },
  GetObject: { needs: ['read'], method: 'GET', target: () => '/b-matrix/k', status: 200 },
  HeadObject: { needs: ['read'], method: 'HEAD', target: () => '/b-matrix/k', status: 200 },
  PutObject: { needs: ['write'], method: 'PUT', target: (fresh) => `/b-matrix/put-${fresh}`, body: 'put', status: 200 },
  CreateMultipartUpload: { needs: ['write'], method: 'POST', target: () => '/b-matrix/k?uploads=', status: 200 },
  UploadPart: { needs: ['write'], method: 'PUT', target: async () => `/b-matrix/k?partNumber=1&uploadId=${await begun()}`, body: 'part', status: 200 },
  CompleteMultipartUpload: {
    needs: ['write'], method: 'POST', status: 200,
    target: async () => {
      const UploadId = await begun();
      await s3.send(new UploadPartCommand({ Bucket: 'b-matrix', Key: 'k', UploadId, PartNumber: 1, Body: 'part' }));
      return `/b-matrix/k?uploadId=${UploadId}`;
    },
    body: `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${partTag}</ETag></Part></CompleteMultipartUpload>`,
  },
  CopyObject: { needs: ['read', 'write'], method: 'PUT', target: (fresh) => `/b-matrix/copy-${fresh}`, headers: { 'x-amz-copy-source': 'b-matrix/k' }, status: 200 },
  DeleteObject: { needs: ['delete'], method: 'DELETE', target: () => '/b-matrix/none', status: 204 },
  DeleteObjects: { needs: ['delete'], method: 'POST', target: () => '/b-matrix?delete=', body: '<Delete><Object><Key>none</Key></Object></Delete>', status: 200 },
  CreateBucket: { needs: ['admin'], method: 'PUT', target: (fresh) => `/made-${fresh}`, status: 200 },
  DeleteBucket: {
    needs: ['admin'], method: 'DELETE', status: 204,
    target: async (fresh) => {
      await s3.send(new CreateBucketCommand({ Bucket: `doomed-${fresh}` }));
      return `/doomed-${fresh}`;
    },
  },
  PutBucketCors: {
    needs: ['admin'], method: 'PUT', target: () => '/b-matrix?cors=', status: 200,
    body: '<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>',
  },
};

describe('R7: every combination of permissions may do what it is for, and nothing else', () => {
  const combinations = Array.from({ length: 16 }, (_, bits) => permissions.filter((_permission, at) => (bits & (1 << at)) !== 0));

  test.each(combinations.map((granted) => [granted.join('+') || 'nothing', granted] as const))('%s', async (name, granted) => {
    // No key is made for nothing: one whose permissions are all of another bucket stands for it.
    const wish = granted.length === 0 ? { buckets: ['b-elsewhere'] } : { permissions: Object.fromEntries(granted.map((one) => [one, true])) };
    keys.set(name, await world.accessKey('owner', wish));
    for (const form of ['header', 'query'] as const) {
      for (const [operation, { needs, method, target, headers, body, status }] of Object.entries(asks)) {
        const place = await target(`${combinations.indexOf(granted)}-${form}`);
        const outcome = await send(form, name, [method, place, 'nothing', headers ?? {}], undefined, body);
        expect([form, operation, ...outcome]).toEqual([form, operation, ...(needs.every((need) => granted.includes(need)) ? [status, undefined] : denied(method))]);
      }
    }
  });
});
