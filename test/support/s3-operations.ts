/**
 * A valid request for every S3 operation: the permissions it needs, and the owner's response. Each can be repeated and
 * leaves the bucket unchanged for the next one.
 */
import type { HandKey } from './sigv4.ts';
import { presignByHand, signByHand, signForm } from './sigv4.ts';
import type { World } from './world.ts';

export type Permission = 'read' | 'write' | 'delete' | 'admin';
export const permissions: readonly Permission[] = ['read', 'write', 'delete', 'admin'];

export interface HandCall {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** Status and error code: `403 AccessDenied`. */
export type Said = string;

/** Sends a request unsigned. */
export async function sendPlain(world: World, { method, target, headers = {}, body = '' }: HandCall): Promise<Said> {
  return (await read(world, { method, target, headers, body })).said;
}

async function read(
  world: World,
  { method, target, headers = {}, body = '' }: HandCall,
): Promise<{ said: Said; text: string }> {
  const sent = body.length === 0 ? {} : { body: typeof body === 'string' ? body : Uint8Array.from(body) };
  const answer = await fetch(`${world.s3Url}${target}`, { method, headers, redirect: 'manual', ...sent });
  const text = await answer.text();
  // Some errors come with status 200, because the response had begun.
  const code = /<Code>(\w+)<\/Code>/.exec(text)?.[1];
  return { said: code === undefined ? String(answer.status) : `${answer.status} ${code}`, text };
}

/** Where the signature is: in the headers or in the URL. */
export type Form = 'header' | 'query';

/** A request signed by hand. A URL has the `x-amz-` headers in its query and signs only its host. */
export function signedCall(
  world: World,
  key: HandKey,
  call: HandCall,
  {
    form = 'header',
    at = world.clock.now(),
    expires = 60,
  }: {
    readonly form?: Form;
    readonly at?: number;
    readonly expires?: number;
  } = {},
): HandCall {
  const { method, target, headers = {}, body = '' } = call;
  const url = new URL(`${world.s3Url}${target}`);
  if (form === 'header') return { ...call, headers: signByHand({ key, method, url, at }, headers, body) };
  const ofUrl = (name: string): boolean => name.startsWith('x-amz-');
  for (const [name, value] of Object.entries(headers)) if (ofUrl(name)) url.searchParams.append(name, value);
  const signed = new URL(presignByHand({ key, method, url, at }, expires));
  const sent = Object.fromEntries(Object.entries(headers).filter(([name]) => !ofUrl(name)));
  return { ...call, target: `${signed.pathname}${signed.search}`, headers: sent };
}

export async function sendSigned(world: World, key: HandKey, call: HandCall, form: Form = 'header'): Promise<Said> {
  return sendPlain(world, signedCall(world, key, call, { form }));
}

/** Like `sendSigned`, but must succeed. @returns the text */
export async function demandSigned(world: World, key: HandKey, call: HandCall): Promise<string> {
  const { said, text } = await read(world, signedCall(world, key, call));
  if (!/^2\d\d$/.test(said)) throw new Error(`${call.method} ${call.target}: ${said} ${text}`);
  return text;
}

/** Status and text of any response. */
export async function readSigned(world: World, key: HandKey, call: HandCall): Promise<string> {
  const { said, text } = await read(world, signedCall(world, key, call));
  return `${said} ${text}`;
}

const boundary = 'a-boundary';
export const formHeaders = { 'content-type': `multipart/form-data; boundary=${boundary}` };

/** A form with these fields, followed by a file. */
export function formOf(fields: Readonly<Record<string, string>>, file = 'posted'): string {
  const part = (name: string, value: string, more = ''): string =>
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`;
  const parts = Object.entries(fields).map(([name, value]) => part(name, value));
  return `${parts.join('')}${part('file', file, '; filename="f"')}--${boundary}--\r\n`;
}

/** The environment of the requests. */
export interface Ground {
  readonly world: World;
  /** A key of the bucket's owner with all permissions. */
  readonly owner: HandKey;
  /** A bucket with object lock and an object `k`. */
  readonly bucket: string;
}

export interface Row {
  readonly method: string;
  /** The target after the bucket's name; created first if necessary. */
  readonly target: string | ((ground: Ground) => Promise<string>);
  /** Permissions that the key needs; empty if none is needed. */
  readonly needs: readonly Permission[];
  /** Actions for policies; empty if no bucket policy applies. The second one is for the source. */
  readonly actions: readonly string[];
  readonly headers?: (ground: Ground) => Readonly<Record<string, string>>;
  readonly body?: (ground: Ground) => string;
  /** The owner's response, if it is not a success. */
  readonly owner?: string;
}

const put = (ground: Ground, target: string): Promise<string> =>
  demandSigned(ground.world, ground.owner, { method: 'PUT', target: `/${ground.bucket}${target}`, body: 'part' });

/** Begins a multipart upload. */
async function begun(ground: Ground): Promise<string> {
  const text = await demandSigned(ground.world, ground.owner, {
    method: 'POST',
    target: `/${ground.bucket}/many?uploads`,
  });
  return /<UploadId>([^<]+)/.exec(text)![1]!;
}

/** The MD5 of `part`. */
const partTag = 'f4c9385f1902f7334b00b9b4ecd164de';
const tags = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>';
const later = (ground: Ground): string => new Date(ground.world.clock.now() + 3000).toISOString();
const copied = (ground: Ground): Record<string, string> => ({ 'x-amz-copy-source': `/${ground.bucket}/k` });
const owned = ({ bucket }: Ground, action: string, resource: string): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: {
      Effect: 'Allow',
      Principal: { AWS: 'owner' },
      Action: action,
      Resource: `arn:aws:s3:::${bucket}${resource}`,
    },
  });

type Extra = Partial<Pick<Row, 'headers' | 'body' | 'owner'>>;

/** @param what method, target, permissions and actions; list items are joined by `+` */
function row(what: string, extra: Extra = {}, target?: Row['target']): Row {
  const [method = '', path = '', needs = '', actions = ''] = what.split(' ');
  const list = (text: string): string[] => text.split('+').filter((one) => one !== '' && one !== '-');
  return {
    method,
    target: target ?? (path === '-' ? '' : path),
    needs: list(needs) as Permission[],
    actions: list(actions),
    ...extra,
  };
}

const absent = (code: string): Extra => ({ owner: `404 ${code}` });
const document = (text: string): Extra => ({ body: () => text });

/** By operation name; every operation of the server must have a row. */
export const rows: Readonly<Record<string, Row>> = {
  ListBuckets: row('GET / - -'),
  CreateBucket: row('PUT - admin -', { owner: '200' }),
  HeadBucket: row('HEAD - read ListBucket'),
  // The bucket is never empty.
  DeleteBucket: row('DELETE - admin DeleteBucket', { owner: '409 BucketNotEmpty' }),
  ListObjects: row('GET - read ListBucket'),
  ListObjectsV2: row('GET ?list-type=2 read ListBucket'),
  ListObjectVersions: row('GET ?versions read ListBucketVersions'),
  ListMultipartUploads: row('GET ?uploads read ListBucketMultipartUploads'),
  GetBucketLocation: row('GET ?location read GetBucketLocation'),
  PutBucketVersioning: row(
    'PUT ?versioning admin PutBucketVersioning',
    document('<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'),
  ),
  GetBucketVersioning: row('GET ?versioning read GetBucketVersioning'),
  PutBucketCors: row(
    'PUT ?cors admin PutBucketCORS',
    document(
      '<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>' +
        '</CORSRule></CORSConfiguration>',
    ),
  ),
  GetBucketCors: row('GET ?cors admin GetBucketCORS', absent('NoSuchCORSConfiguration')),
  DeleteBucketCors: row('DELETE ?cors admin PutBucketCORS'),
  PutBucketAcl: row('PUT ?acl admin PutBucketAcl', { headers: () => ({ 'x-amz-acl': 'private' }) }),
  GetBucketAcl: row('GET ?acl read GetBucketAcl'),
  PutBucketPolicy: row('PUT ?policy admin -', { body: (ground) => owned(ground, 's3:GetObject', '/*') }),
  GetBucketPolicy: row('GET ?policy admin -', absent('NoSuchBucketPolicy')),
  GetBucketPolicyStatus: row('GET ?policyStatus admin GetBucketPolicyStatus'),
  DeleteBucketPolicy: row('DELETE ?policy admin -'),
  PutBucketTagging: row('PUT ?tagging admin PutBucketTagging', document(tags)),
  GetBucketTagging: row('GET ?tagging admin GetBucketTagging', absent('NoSuchTagSet')),
  DeleteBucketTagging: row('DELETE ?tagging admin PutBucketTagging'),
  PutBucketLifecycleConfiguration: row(
    'PUT ?lifecycle admin PutLifecycleConfiguration',
    document(
      '<LifecycleConfiguration><Rule><ID>r</ID><Status>Enabled</Status><Filter><Prefix>none</Prefix></Filter>' +
        '<Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>',
    ),
  ),
  GetBucketLifecycleConfiguration: row(
    'GET ?lifecycle admin GetLifecycleConfiguration',
    absent('NoSuchLifecycleConfiguration'),
  ),
  DeleteBucketLifecycle: row('DELETE ?lifecycle admin PutLifecycleConfiguration'),
  PutObjectLockConfiguration: row(
    'PUT ?object-lock admin PutBucketObjectLockConfiguration',
    document('<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>'),
  ),
  GetObjectLockConfiguration: row('GET ?object-lock admin GetBucketObjectLockConfiguration'),
  PutBucketOwnershipControls: row(
    'PUT ?ownershipControls admin PutBucketOwnershipControls',
    document('<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>'),
  ),
  GetBucketOwnershipControls: row(
    'GET ?ownershipControls admin GetBucketOwnershipControls',
    absent('OwnershipControlsNotFoundError'),
  ),
  DeleteBucketOwnershipControls: row('DELETE ?ownershipControls admin PutBucketOwnershipControls'),
  PutPublicAccessBlock: row(
    'PUT ?publicAccessBlock admin PutBucketPublicAccessBlock',
    document(
      '<PublicAccessBlockConfiguration><BlockPublicAcls>false</BlockPublicAcls></PublicAccessBlockConfiguration>',
    ),
  ),
  GetPublicAccessBlock: row(
    'GET ?publicAccessBlock admin GetBucketPublicAccessBlock',
    absent('NoSuchPublicAccessBlockConfiguration'),
  ),
  DeletePublicAccessBlock: row('DELETE ?publicAccessBlock admin PutBucketPublicAccessBlock'),
  GetBucketEncryption: row(
    'GET ?encryption read GetEncryptionConfiguration',
    absent('ServerSideEncryptionConfigurationNotFoundError'),
  ),
  GetBucketReplication: row(
    'GET ?replication read GetReplicationConfiguration',
    absent('ReplicationConfigurationNotFoundError'),
  ),
  GetBucketWebsite: row('GET ?website read GetBucketWebsite', absent('NoSuchWebsiteConfiguration')),
  GetBucketNotificationConfiguration: row('GET ?notification read GetBucketNotification'),
  GetBucketLogging: row('GET ?logging read GetBucketLogging'),
  GetBucketRequestPayment: row('GET ?requestPayment read GetBucketRequestPayment'),
  GetBucketAccelerateConfiguration: row('GET ?accelerate read GetAccelerateConfiguration'),
  ...Object.fromEntries(
    ['Analytics', 'IntelligentTiering', 'Inventory', 'Metrics'].flatMap((name) => {
      const mark = name === 'IntelligentTiering' ? 'intelligent-tiering' : name.toLowerCase();
      const action = `Get${name}Configuration`;
      return [
        [`ListBucket${name}Configurations`, row(`GET ?${mark} read ${action}`)],
        [`GetBucket${name}Configuration`, row(`GET ?${mark}&id=x read ${action}`, absent('NoSuchConfiguration'))],
      ];
    }),
  ),
  GetObject: row('GET /k read GetObject'),
  HeadObject: row('HEAD /k read GetObject'),
  PutObject: row('PUT /put write PutObject', document('put')),
  // The caller is authenticated by the form's fields only.
  PostObject: row('POST - write PutObject', {
    headers: () => formHeaders,
    body: (ground) =>
      formOf(signForm(ground.owner, ground.bucket, { key: 'posted' }, { at: ground.world.clock.now() })),
    owner: '204',
  }),
  // Copied tags would need another action.
  CopyObject: row('PUT /copy read+write PutObject+GetObject', {
    headers: (ground) => ({ ...copied(ground), 'x-amz-tagging-directive': 'REPLACE' }),
  }),
  DeleteObject: row('DELETE /none delete DeleteObject'),
  DeleteObjects: row('POST ?delete delete DeleteObject', document('<Delete><Object><Key>none</Key></Object></Delete>')),
  GetObjectAttributes: row('GET /k?attributes read GetObjectAttributes+GetObject', {
    headers: () => ({ 'x-amz-object-attributes': 'ETag' }),
  }),
  GetObjectAcl: row('GET /k?acl read GetObjectAcl'),
  PutObjectAcl: row('PUT /k?acl write PutObjectAcl', { headers: () => ({ 'x-amz-acl': 'private' }) }),
  PutObjectTagging: row('PUT /k?tagging write PutObjectTagging', document(tags)),
  GetObjectTagging: row('GET /k?tagging read GetObjectTagging'),
  DeleteObjectTagging: row('DELETE /k?tagging write DeleteObjectTagging'),
  PutObjectRetention: row('PUT /k?retention write PutObjectRetention', {
    body: (ground) =>
      `<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>${later(ground)}</RetainUntilDate></Retention>`,
  }),
  GetObjectRetention: row('GET /k?retention read GetObjectRetention'),
  PutObjectLegalHold: row(
    'PUT /k?legal-hold write PutObjectLegalHold',
    document('<LegalHold><Status>OFF</Status></LegalHold>'),
  ),
  GetObjectLegalHold: row('GET /k?legal-hold read GetObjectLegalHold'),
  CreateMultipartUpload: row('POST /many?uploads write PutObject'),
  UploadPart: row(
    'PUT - write PutObject',
    document('part'),
    async (ground) => `/many?partNumber=1&uploadId=${await begun(ground)}`,
  ),
  UploadPartCopy: row(
    'PUT - read+write PutObject+GetObject',
    { headers: copied },
    async (ground) => `/many?partNumber=1&uploadId=${await begun(ground)}`,
  ),
  CompleteMultipartUpload: row(
    'POST - write PutObject',
    document(
      `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${partTag}</ETag></Part></CompleteMultipartUpload>`,
    ),
    async (ground) => {
      const id = await begun(ground);
      await put(ground, `/many?partNumber=1&uploadId=${id}`);
      return `/many?uploadId=${id}`;
    },
  ),
  AbortMultipartUpload: row(
    'DELETE - write AbortMultipartUpload',
    {},
    async (ground) => `/many?uploadId=${await begun(ground)}`,
  ),
  ListParts: row('GET - write ListMultipartUploadParts', {}, async (ground) => `/many?uploadId=${await begun(ground)}`),
};

/** The request of a row, ready to sign. */
export async function callOf(name: string, ground: Ground): Promise<HandCall> {
  const { method, target, headers, body } = rows[name]!;
  const rest = typeof target === 'string' ? target : await target(ground);
  return {
    method,
    target: name === 'ListBuckets' ? '/' : name === 'CreateBucket' ? '/b-made' : `/${ground.bucket}${rest}`,
    ...(headers ? { headers: headers(ground) } : {}),
    ...(body ? { body: body(ground) } : {}),
  };
}

/** Creates the bucket of the requests. */
export async function groundOf(world: World, owner: HandKey, bucket: string): Promise<Ground> {
  const ground = { world, owner, bucket };
  await demandSigned(world, owner, {
    method: 'PUT',
    target: `/${bucket}`,
    headers: { 'x-amz-bucket-object-lock-enabled': 'true' },
  });
  await demandSigned(world, owner, {
    method: 'PUT',
    target: `/${bucket}/k`,
    body: 'the bytes of the owner',
    headers: {
      'x-amz-object-lock-mode': 'GOVERNANCE',
      'x-amz-object-lock-retain-until-date': later(ground),
      'x-amz-object-lock-legal-hold': 'OFF',
    },
  });
  await demandSigned(world, owner, {
    method: 'PUT',
    target: `/${bucket}/k?legal-hold`,
    body: '<LegalHold><Status>OFF</Status></LegalHold>',
  });
  return ground;
}

/** The response if the caller is allowed. */
export function takenAs(name: string): RegExp {
  const { owner, method } = rows[name]!;
  return owner === undefined ? /^20\d$/ : new RegExp(`^(?:20\\d|${method === 'HEAD' ? owner.slice(0, 3) : owner})$`);
}

/** The response if the caller is not allowed; a HEAD response has no error code. */
export function refusedAs(name: string, code = 'AccessDenied', status = 403): RegExp {
  return rows[name]!.method === 'HEAD' ? new RegExp(`^${status}$`) : new RegExp(`^${status} ${code}$`);
}
