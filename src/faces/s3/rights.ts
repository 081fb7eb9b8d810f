/** Whether a request may be done: the key's own grant, the bucket's policy, who owns what, and the lists, in that order. */
import { grants } from '../../core/access.ts';
import { SYSTEM, type Bucket, type Principal, type StoredObject, type Verb } from '../../core/model.ts';
import { ownerOf } from '../../core/objects.ts';
import { aboutOf } from './about.ts';
import { aclAllows, privateAcl, type Acl, type Permission } from './acl.ts';
import { headerOf, type Call } from './call.ts';
import { S3Error } from './errors.ts';
import { isPublicPolicy, judge, type Policy } from './policy.ts';

interface Rule {
  /** What an access key must be for. */
  readonly verb: Verb;
  /** Which list lets others do it; absent where only the owner may. */
  readonly list?: readonly ['bucket' | 'object', Permission];
}

/** Every action of this face. */
const rules = {
  'AbortMultipartUpload': { verb: 'write', list: ['bucket', 'WRITE'] },
  'BypassGovernanceRetention': { verb: 'admin' },
  'CreateBucket': { verb: 'admin' },
  'DeleteBucket': { verb: 'admin' },
  'DeleteBucketPolicy': { verb: 'admin' },
  'DeleteObject': { verb: 'delete', list: ['bucket', 'WRITE'] },
  'DeleteObjectTagging': { verb: 'write' },
  'DeleteObjectVersion': { verb: 'delete', list: ['bucket', 'WRITE'] },
  'GetAccelerateConfiguration': { verb: 'read' },
  'GetAnalyticsConfiguration': { verb: 'read' },
  'GetBucketAcl': { verb: 'read', list: ['bucket', 'READ_ACP'] },
  'GetBucketCORS': { verb: 'admin' },
  'GetBucketLocation': { verb: 'read' },
  'GetBucketLogging': { verb: 'read' },
  'GetBucketNotification': { verb: 'read' },
  'GetBucketObjectLockConfiguration': { verb: 'admin' },
  'GetBucketOwnershipControls': { verb: 'admin' },
  'GetBucketPolicy': { verb: 'admin' },
  'GetBucketPolicyStatus': { verb: 'admin' },
  'GetBucketPublicAccessBlock': { verb: 'admin' },
  'GetBucketRequestPayment': { verb: 'read' },
  'GetBucketTagging': { verb: 'admin' },
  'GetBucketVersioning': { verb: 'read' },
  'GetBucketWebsite': { verb: 'read' },
  'GetEncryptionConfiguration': { verb: 'read' },
  'GetIntelligentTieringConfiguration': { verb: 'read' },
  'GetInventoryConfiguration': { verb: 'read' },
  'GetLifecycleConfiguration': { verb: 'admin' },
  'GetMetricsConfiguration': { verb: 'read' },
  'GetObject': { verb: 'read', list: ['object', 'READ'] },
  'GetObjectAcl': { verb: 'read', list: ['object', 'READ_ACP'] },
  'GetObjectAttributes': { verb: 'read', list: ['object', 'READ'] },
  'GetObjectLegalHold': { verb: 'read' },
  'GetObjectRetention': { verb: 'read' },
  'GetObjectTagging': { verb: 'read' },
  'GetObjectVersion': { verb: 'read', list: ['object', 'READ'] },
  'GetReplicationConfiguration': { verb: 'read' },
  'ListBucket': { verb: 'read', list: ['bucket', 'READ'] },
  'ListBucketMultipartUploads': { verb: 'read', list: ['bucket', 'READ'] },
  'ListBucketVersions': { verb: 'read', list: ['bucket', 'READ'] },
  'ListMultipartUploadParts': { verb: 'write', list: ['bucket', 'WRITE'] },
  'PutBucketAcl': { verb: 'admin', list: ['bucket', 'WRITE_ACP'] },
  'PutBucketCORS': { verb: 'admin' },
  'PutBucketObjectLockConfiguration': { verb: 'admin' },
  'PutBucketOwnershipControls': { verb: 'admin' },
  'PutBucketPolicy': { verb: 'admin' },
  'PutBucketPublicAccessBlock': { verb: 'admin' },
  'PutBucketTagging': { verb: 'admin' },
  'PutBucketVersioning': { verb: 'admin' },
  'PutLifecycleConfiguration': { verb: 'admin' },
  'PutObject': { verb: 'write', list: ['bucket', 'WRITE'] },
  'PutObjectAcl': { verb: 'write', list: ['object', 'WRITE_ACP'] },
  'PutObjectLegalHold': { verb: 'write' },
  'PutObjectRetention': { verb: 'write' },
  'PutObjectTagging': { verb: 'write' },
} as const satisfies Record<string, Rule>;

export type Action = keyof typeof rules;

/** A bucket, and who then acts on it: the namespace that it is of. */
export interface Allowed {
  readonly bucket: Bucket;
  readonly as: Principal;
}

/** What a policy may ask about beside the request itself. */
export interface Circumstances {
  /** The object at hand, if there is one. */
  readonly object?: StoredObject | undefined;
  /** Tags that the request brings. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** Where it is not the request's own. */
  readonly bucket?: string;
  readonly key?: string;
  /** What a listing would begin with. */
  readonly prefix?: string;
}

export interface PublicAccess {
  readonly BlockPublicAcls: boolean;
  readonly IgnorePublicAcls: boolean;
  readonly BlockPublicPolicy: boolean;
  readonly RestrictPublicBuckets: boolean;
}

/** A setting of a bucket, which is JSON. */
export function settingOf<T>({ settings }: Bucket, name: string): T | undefined {
  const text = settings[name];
  return text === undefined ? undefined : (JSON.parse(text) as T);
}

export function bucketAcl(bucket: Bucket): Acl {
  return settingOf<Acl>(bucket, 'acl') ?? privateAcl(bucket.namespace);
}

export function objectAcl(bucket: Bucket, object: StoredObject): Acl {
  const { acl, owner = bucket.namespace } = object.content ? aboutOf(object) : {};
  return acl ?? privateAcl(owner);
}

/** @throws S3Error `NoSuchBucket`, `AccessDenied` */
export async function allow(call: Call, action: Action, circumstances: Circumstances = {}): Promise<Allowed> {
  const bucket = await call.known.bucket(circumstances.bucket ?? call.bucket);
  if (!bucket) throw new S3Error('NoSuchBucket');
  if (!may(call, action, bucket, circumstances)) throw denied();
  return { bucket, as: ownerOf(bucket, call.who) };
}

/**
 * Asks before the body is read, where what the body says cannot change the answer: only a policy could look at it.
 *
 * @throws S3Error as `ask` does; `NoSuchBucket`
 */
export async function refuseEarly(call: Call, ask: () => Promise<unknown>): Promise<void> {
  const bucket = await call.known.bucket(call.bucket);
  if (!bucket) throw new S3Error('NoSuchBucket');
  if (bucket.settings['policy'] === undefined) await ask();
}

/** Whether an action in a bucket is allowed. */
export function may(call: Call, action: Action, bucket: Bucket, circumstances: Circumstances): boolean {
  const { who } = call;
  const rule: Rule = rules[action];
  const anonymous = who.namespace === '';
  if (!anonymous && !grants(who, rule.verb, bucket.name)) return false;
  const isOwner = who.namespace === bucket.namespace || who.namespace === SYSTEM;
  // Nobody can lock the owner out of undoing it.
  if (isOwner && (action === 'GetBucketPolicy' || action === 'PutBucketPolicy' || action === 'DeleteBucketPolicy')) return true;
  const access = settingOf<PublicAccess>(bucket, 'publicAccess');
  const policy = settingOf<Policy>(bucket, 'policy');
  const verdict = policy && judge(policy, questionOf(call, action, bucket, circumstances));
  if (verdict === 'deny') return false;
  if (verdict === 'allow' && (isOwner || !access?.RestrictPublicBuckets || !isPublicPolicy(policy!))) return true;
  return owns(who, action, rule, bucket, circumstances, isOwner) || listed(who, action, rule, bucket, circumstances, access?.IgnorePublicAcls ?? false);
}

/** An object may be somebody else's than the bucket that it is in. */
function owns(who: Principal, action: Action, { list }: Rule, bucket: Bucket, { object }: Circumstances, isOwner: boolean): boolean {
  if (who.namespace === SYSTEM) return true;
  const ofObject = list?.[0] === 'object' && object?.content;
  return ofObject && aboutOf(object).owner !== undefined ? aboutOf(object).owner === who.namespace : isOwner;
}

function listed(who: Principal, action: Action, { list }: Rule, bucket: Bucket, { object }: Circumstances, ignorePublic: boolean): boolean {
  if (bucket.open && (action === 'GetObject' || action === 'GetObjectVersion')) return true;
  if (!list || ownershipOf(bucket) === 'BucketOwnerEnforced') return false;
  const [kind, permission] = list;
  if (kind === 'bucket') return aclAllows(bucketAcl(bucket), who.namespace, permission, ignorePublic);
  return object !== undefined && aclAllows(objectAcl(bucket, object), who.namespace, permission, ignorePublic);
}

/** Who owns what others put here; with `BucketOwnerEnforced` there are no lists. */
export function ownershipOf(bucket: Bucket): string {
  return bucket.settings['ownership'] ?? 'ObjectWriter';
}

function questionOf(call: Call, action: Action, bucket: Bucket, { object, tags, key = call.key, prefix }: Circumstances): Parameters<typeof judge>[1] {
  const { req, query, who } = call;
  const onObject = key !== '' && prefix === undefined && !/Bucket/.test(action);
  const there = object?.content ? (aboutOf(object).tags ?? {}) : {};
  const value = (name: string): readonly string[] | undefined => {
    const one = (text: string | undefined): readonly string[] | undefined => (text === undefined ? undefined : [text]);
    const [, existing] = /^s3:existingobjecttag\/(.+)$/.exec(name) ?? [];
    if (existing !== undefined) return one(lookUp(there, existing));
    const [, brought] = /^s3:requestobjecttag\/(.+)$/.exec(name) ?? [];
    if (brought !== undefined) return one(lookUp(tags ?? {}, brought));
    switch (name) {
      case 's3:requestobjecttagkeys':
        return tags && Object.keys(tags);
      case 's3:prefix':
        return one(prefix ?? query.get('prefix'));
      case 's3:delimiter':
      case 's3:max-keys':
        return one(query.get(name.slice(3)));
      case 's3:versionid':
        return one(query.get('versionId'));
      case 'aws:sourceip':
        return one(req.socket.remoteAddress?.replace(/^::ffff:/, ''));
      case 'aws:referer':
        return one(req.headers.referer);
      case 'aws:useragent':
        return one(req.headers['user-agent']);
      case 'aws:securetransport':
        return ['false'];
      case 'aws:username':
      case 'aws:userid':
        return one(who.namespace === '' ? undefined : who.namespace);
      default:
        return name.startsWith('s3:x-amz-') ? one(headerOf(call, name.slice(3))) : undefined;
    }
  };
  return { action: `s3:${action}`, resource: `arn:aws:s3:::${bucket.name}${onObject ? `/${key}` : ''}`, namespace: who.namespace, value };
}

/** Names of tags in policies come in lower case here, as all names of conditions do. */
function lookUp(tags: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.entries(tags).find(([key]) => key.toLowerCase() === name)?.[1];
}

export function denied(): S3Error {
  return new S3Error('AccessDenied');
}
