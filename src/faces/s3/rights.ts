/** Authorization: the access key's scope, the bucket policy, ownership and ACLs, in this order. */
import { LRUCache } from 'lru-cache';
import { allowed, grants, type Allowed } from '../../core/tenants/access.ts';
import { identityOf } from '../../core/tenants/identities.ts';
import { SYSTEM, type Bucket, type Principal, type StoredObject, type Verb } from '../../core/records.ts';
import { isPublic, publicAccessOf } from '../../core/names/public-access.ts';
import { aboutOf } from './about.ts';
import { aclAllows, privateAcl, type Acl, type AclPermission } from './acl.ts';
import type { S3Call } from './call.ts';
import { S3Error } from './errors.ts';
import { isPublicPolicy, evaluatePolicy, readKeptPolicy, type Policy } from './policy.ts';
import { questionOf, type Circumstances } from './policy-values.ts';

export type { Circumstances } from './policy-values.ts';

interface Rule {
  /** The verb that the access key needs. */
  readonly verb: Verb;
  /** The ACL that can grant the action to others; absent if only the owner may. */
  readonly list?: readonly ['bucket' | 'object', AclPermission];
}

/** Every action of this face. */
const rules = {
  AbortMultipartUpload: { verb: 'write', list: ['bucket', 'WRITE'] },
  BypassGovernanceRetention: { verb: 'admin' },
  CreateBucket: { verb: 'admin' },
  DeleteBucket: { verb: 'admin' },
  DeleteBucketPolicy: { verb: 'admin' },
  DeleteObject: { verb: 'delete', list: ['bucket', 'WRITE'] },
  DeleteObjectTagging: { verb: 'write' },
  DeleteObjectVersion: { verb: 'delete', list: ['bucket', 'WRITE'] },
  DeleteObjectVersionTagging: { verb: 'write' },
  GetAccelerateConfiguration: { verb: 'read' },
  GetAnalyticsConfiguration: { verb: 'read' },
  GetBucketAcl: { verb: 'read', list: ['bucket', 'READ_ACP'] },
  GetBucketCORS: { verb: 'admin' },
  GetBucketLocation: { verb: 'read' },
  GetBucketLogging: { verb: 'read' },
  GetBucketNotification: { verb: 'read' },
  GetBucketObjectLockConfiguration: { verb: 'admin' },
  GetBucketOwnershipControls: { verb: 'admin' },
  GetBucketPolicy: { verb: 'admin' },
  GetBucketPolicyStatus: { verb: 'admin' },
  GetBucketPublicAccessBlock: { verb: 'admin' },
  GetBucketRequestPayment: { verb: 'read' },
  GetBucketTagging: { verb: 'admin' },
  GetBucketVersioning: { verb: 'read' },
  GetBucketWebsite: { verb: 'read' },
  GetEncryptionConfiguration: { verb: 'read' },
  GetIntelligentTieringConfiguration: { verb: 'read' },
  GetInventoryConfiguration: { verb: 'read' },
  GetLifecycleConfiguration: { verb: 'admin' },
  GetMetricsConfiguration: { verb: 'read' },
  GetObject: { verb: 'read', list: ['object', 'READ'] },
  GetObjectAcl: { verb: 'read', list: ['object', 'READ_ACP'] },
  GetObjectAttributes: { verb: 'read', list: ['object', 'READ'] },
  GetObjectLegalHold: { verb: 'read' },
  GetObjectRetention: { verb: 'read' },
  GetObjectTagging: { verb: 'read' },
  GetObjectVersion: { verb: 'read', list: ['object', 'READ'] },
  GetObjectVersionAcl: { verb: 'read', list: ['object', 'READ_ACP'] },
  GetObjectVersionAttributes: { verb: 'read', list: ['object', 'READ'] },
  GetObjectVersionTagging: { verb: 'read' },
  GetReplicationConfiguration: { verb: 'read' },
  ListBucket: { verb: 'read', list: ['bucket', 'READ'] },
  ListBucketMultipartUploads: { verb: 'read', list: ['bucket', 'READ'] },
  ListBucketVersions: { verb: 'read', list: ['bucket', 'READ'] },
  ListMultipartUploadParts: { verb: 'write', list: ['bucket', 'WRITE'] },
  PutBucketAcl: { verb: 'admin', list: ['bucket', 'WRITE_ACP'] },
  PutBucketCORS: { verb: 'admin' },
  PutBucketObjectLockConfiguration: { verb: 'admin' },
  PutBucketOwnershipControls: { verb: 'admin' },
  PutBucketPolicy: { verb: 'admin' },
  PutBucketPublicAccessBlock: { verb: 'admin' },
  PutBucketTagging: { verb: 'admin' },
  PutBucketVersioning: { verb: 'admin' },
  PutLifecycleConfiguration: { verb: 'admin' },
  PutObject: { verb: 'write', list: ['bucket', 'WRITE'] },
  PutObjectAcl: { verb: 'write', list: ['object', 'WRITE_ACP'] },
  PutObjectLegalHold: { verb: 'write' },
  PutObjectRetention: { verb: 'write' },
  PutObjectTagging: { verb: 'write' },
  PutObjectVersionAcl: { verb: 'write', list: ['object', 'WRITE_ACP'] },
  PutObjectVersionTagging: { verb: 'write' },
} as const satisfies Record<string, Rule>;

export type Action = keyof typeof rules;

/** The action's name for a specific version. */
const ofVersions: Partial<Record<Action, Action>> = {
  DeleteObject: 'DeleteObjectVersion',
  DeleteObjectTagging: 'DeleteObjectVersionTagging',
  GetObject: 'GetObjectVersion',
  GetObjectAcl: 'GetObjectVersionAcl',
  GetObjectAttributes: 'GetObjectVersionAttributes',
  GetObjectTagging: 'GetObjectVersionTagging',
  PutObjectAcl: 'PutObjectVersionAcl',
  PutObjectTagging: 'PutObjectVersionTagging',
};

export function ofVersion<A extends Action>(action: A): A {
  return (ofVersions[action] ?? action) as A;
}

/** The core's right for an action. */
type RightOf<A extends Action> = A extends `ListBucket${string}` ? 'list' : (typeof rules)[A]['verb'];

/** The right that an action was granted. */
export type AllowedTo<A extends Action> = Allowed<RightOf<A>>;

/** A JSON setting of a bucket. */
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
export async function allow<A extends Action>(
  call: S3Call,
  action: A,
  circumstances: Circumstances = {},
): Promise<AllowedTo<A>> {
  const bucket = await call.buckets.get(circumstances.bucket ?? call.bucket);
  if (!bucket) throw new S3Error('NoSuchBucket');
  if (!may(call, action, bucket, circumstances)) throw denied();
  const right = action.startsWith('ListBucket') ? 'list' : rules[action].verb;
  // The bucket's namespace acts for the authorized caller.
  const as = { namespace: bucket.namespace, credential: call.who.credential };
  return allowed(right as RightOf<A>, bucket, as);
}

/**
 * Authorizes before the body is read, unless a policy exists, whose conditions could depend on the body.
 *
 * @throws S3Error as `ask` does; `NoSuchBucket`
 */
export async function refuseEarly(call: S3Call, ask: () => Promise<unknown>): Promise<void> {
  const bucket = await call.buckets.get(call.bucket);
  if (!bucket) throw new S3Error('NoSuchBucket');
  if (!policyOf(bucket)) await ask();
}

/** Actions that a policy cannot deny the bucket's owner, who could otherwise not undo it. */
const ofPolicies: ReadonlySet<Action> = new Set(['GetBucketPolicy', 'PutBucketPolicy', 'DeleteBucketPolicy']);

/** Whether an action in a bucket is allowed. */
export function may(call: S3Call, action: Action, bucket: Bucket, circumstances: Circumstances): boolean {
  const { who } = call;
  const rule: Rule = rules[action];
  const anonymous = who.namespace === '';
  if (!anonymous && !grants(who, rule.verb, bucket.name)) return false;
  const isOwner = who.namespace === bucket.namespace || who.namespace === SYSTEM;
  if (isOwner && ofPolicies.has(action)) return true;
  const policy = policyOf(bucket);
  const verdict = policy && evaluatePolicy(policy, questionOf(call, action, bucket, circumstances));
  if (verdict === 'deny') return false;
  // RestrictPublicBuckets disables a public policy for everyone but the owner.
  const isRestricted = !isOwner && publicAccessOf(bucket).RestrictPublicBuckets && policy && isPublicPolicy(policy);
  if (verdict === 'allow' && !isRestricted) return true;
  return owns(who, action, rule, bucket, circumstances, isOwner) || listed(who, action, rule, bucket, circumstances);
}

/**
 * Authorizes the additional actions of a request, such as tagging the object that it puts, as if they were separate
 * requests.
 *
 * @throws S3Error `AccessDenied`
 */
export function demandEach(
  call: S3Call,
  actions: readonly Action[],
  bucket: Bucket,
  circumstances: Circumstances,
): void {
  if (!actions.every((action) => isAllowedAsPart(call, action, bucket, circumstances))) throw denied();
}

/**
 * The ACL of a new object belongs to the caller as its owner, so a policy may deny it but need not allow it. Tags only
 * matter to policies, so without one a caller that may put an object may tag it.
 */
function isAllowedAsPart(call: S3Call, action: Action, bucket: Bucket, circumstances: Circumstances): boolean {
  const policy = policyOf(bucket);
  if (action === 'PutObjectTagging' && policy === undefined) return true;
  if (action !== 'PutObjectAcl') return may(call, action, bucket, circumstances);
  return policy === undefined || evaluatePolicy(policy, questionOf(call, action, bucket, circumstances)) !== 'deny';
}

const mostPolicies = 100;
/** Parsed policies, by bucket and text. */
const policies = new LRUCache<string, Policy>({ max: mostPolicies });

/** The policy of a bucket. */
export function policyOf(bucket: Bucket): Policy | undefined {
  const { name, settings } = bucket;
  const text = settings['policyText'];
  if (text === undefined) return undefined;
  const id = `${name} ${settings['policyNames'] ?? ''} ${text}`;
  const known = policies.get(id);
  if (known) return known;
  const policy = readKeptPolicy(text, name, settingOf<Record<string, string>>(bucket, 'policyNames'));
  policies.set(id, policy);
  return policy;
}

/** An object may have another owner than its bucket. */
function owns(
  who: Principal,
  action: Action,
  { list }: Rule,
  bucket: Bucket,
  { object }: Circumstances,
  isOwner: boolean,
): boolean {
  if (who.namespace === SYSTEM) return true;
  const ofObject = list?.[0] === 'object' && object?.content;
  return ofObject && aboutOf(object).owner !== undefined
    ? namesOf(who, bucket).includes(aboutOf(object).owner!)
    : isOwner;
}

function listed(who: Principal, action: Action, { list }: Rule, bucket: Bucket, { object }: Circumstances): boolean {
  if (isPublic(bucket) && (action === 'GetObject' || action === 'GetObjectVersion')) return true;
  if (!list || ownershipOf(bucket) === 'BucketOwnerEnforced') return false;
  const [kind, permission] = list;
  const ignorePublic = publicAccessOf(bucket).IgnorePublicAcls;
  const names = namesOf(who, bucket);
  if (kind === 'bucket') return aclAllows(bucketAcl(bucket), names, permission, ignorePublic);
  return object !== undefined && aclAllows(objectAcl(bucket, object), names, permission, ignorePublic);
}

/** A namespace's names in a bucket's ACLs: its identity, and for the bucket's owner also its name. */
function namesOf(who: Principal, bucket: Bucket): readonly string[] {
  if (who.namespace === '') return [];
  return who.namespace === bucket.namespace ? [identityOf(who), who.namespace] : [identityOf(who)];
}

/** The ownership setting; with `BucketOwnerEnforced` ACLs are disabled. */
export function ownershipOf(bucket: Bucket): string {
  return bucket.settings['ownership'] ?? 'ObjectWriter';
}

export function denied(): S3Error {
  return new S3Error('AccessDenied');
}
