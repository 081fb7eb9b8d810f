/** Settings of buckets: ACL, policy, ownership, public access, lifecycle; and ACLs of objects. */
import { namespaceNameOf } from '../../core/tenants/identities.ts';
import { aclFrom, aclFromHeaders, isPublicAcl, renderAcl, type Acl } from './acl.ts';
import { sendDocument, flagOf, headerOf, sendEmpty, readDocument, readText, type S3Call } from './call.ts';
import { versionOf } from './conditions.ts';
import * as documents from './documents.ts';
import { invalidArgument, S3Error, type S3Code } from './errors.ts';
import { changeVersion, findObject } from './finding.ts';
import { lifecycleConfiguration } from './lifecycle-document.ts';
import { isPublicPolicy, namesIn, parsePolicy } from './policy.ts';
import {
  allow,
  bucketAcl,
  denied,
  objectAcl,
  ownershipOf,
  policyOf,
  settingOf,
  type Action,
  type AllowedTo,
} from './rights.ts';
import { readAs } from './schema.ts';
import type { BucketChange } from '../../core/engine.ts';
import type { Bucket, PublicAccess } from '../../core/records.ts';
import { isPublic, publicAccessOf } from '../../core/names/public-access.ts';
import { Refusal } from '../../core/refusal.ts';
import { elements, type Elements, type Node, type Xml } from './xml.ts';
import { sendAnswer } from '../../http/responses.ts';

/** Maximum bytes read of a policy; more than 20 KB is malformed. */
const largestPolicy = 1024 * 1024;

export async function getBucketAcl(call: S3Call): Promise<void> {
  const { bucket } = await allow(call, 'GetBucketAcl');
  sendDocument(call, 'AccessControlPolicy', renderAcl(bucketAcl(bucket)));
}

export async function putBucketAcl(call: S3Call): Promise<void> {
  const { bucket } = await allow(call, 'PutBucketAcl');
  const acl = await requestedAcl(call, bucket, bucket.namespace);
  await changeWithRetry(call, 'PutBucketAcl', (now) => {
    demandAclsEnabled(now);
    demandPrivate(now, acl);
    return { set: { acl: JSON.stringify(acl) }, given: { ...seen(now, 'ownership'), ...blockSeen(now) } };
  });
  sendEmpty(call, 200);
}

export async function getObjectAcl(call: S3Call): Promise<void> {
  const { bucket, object } = await findObject(call, 'GetObjectAcl', versionOf(call));
  sendDocument(
    call,
    'AccessControlPolicy',
    renderAcl(objectAcl(bucket, object)),
    object.versionId === null ? {} : { 'x-amz-version-id': object.versionId },
  );
}

export async function putObjectAcl(call: S3Call): Promise<void> {
  const { bucket, object } = await findObject(call, 'PutObjectAcl', versionOf(call));
  const { owner } = objectAcl(bucket, object);
  const acl = await requestedAcl(call, bucket, owner);
  await changeVersion(
    call,
    () => findObject(call, 'PutObjectAcl', versionOf(call)),
    async (found) => {
      // The object may have been replaced by another owner's; the ACL is for the previous one.
      if (objectAcl(found.bucket, found.object).owner !== owner) throw denied();
      return call.core.objects.describe(found, found.object, 'acl', JSON.stringify(acl));
    },
  );
  sendEmpty(call, 200);
}

const mostDecisions = 5;

/** Actions that change a bucket's settings. */
type Setting = {
  [A in Action]: AllowedTo<A> extends AllowedTo<'PutBucketPolicy'> ? A : never;
}[Action];

/** Changes a setting that depends on others. If those change meanwhile, authorization and decision are repeated. */
async function changeWithRetry(
  call: S3Call,
  action: Setting,
  decision: (bucket: Bucket) => BucketChange,
): Promise<void> {
  for (let turn = 1; ; turn += 1) {
    const allowed = await allow(call, action);
    try {
      await call.core.buckets.change(allowed, decision(allowed.bucket));
      return;
    } catch (error) {
      if (!(error instanceof Refusal) || error.reason !== 'bucket_changed' || turn === mostDecisions) throw error;
      call.buckets.forget(allowed.bucket.name);
    }
  }
}

/** The settings as read. */
function seen({ settings }: Bucket, ...names: readonly string[]): Record<string, string | null> {
  return Object.fromEntries(names.map((name) => [name, settings[name] ?? null]));
}

function blockSeen({ publicAccess }: Bucket): { publicAccess: PublicAccess | null } {
  return { publicAccess: publicAccess ?? null };
}

/** @throws S3Error if ACLs are disabled for the bucket */
function demandAclsEnabled(bucket: Bucket): void {
  if (ownershipOf(bucket) === 'BucketOwnerEnforced')
    throw new S3Error('AccessControlListNotSupported', 'The bucket does not allow ACLs');
}

/** The ACL in the headers or the body. */
async function requestedAcl(call: S3Call, bucket: Bucket, owner: string): Promise<Acl> {
  demandAclsEnabled(bucket);
  const { accessControlPolicy } = documents;
  const text = await readText(call, accessControlPolicy.size);
  const fromHeaders = await aclFromHeaders(call.core, (name) => headerOf(call, name), owner, bucket.namespace);
  if (fromHeaders && text.trim() !== '') throw new S3Error('UnexpectedContent');
  const acl = fromHeaders ?? (await aclFrom(call.core, readAs(accessControlPolicy, text), owner));
  demandPrivate(bucket, acl);
  return acl;
}

/** @throws S3Error `AccessDenied` for a public ACL if those are blocked */
export function demandPrivate(bucket: Bucket, acl: Acl): void {
  if (publicAccessOf(bucket).BlockPublicAcls && isPublicAcl(acl)) throw denied();
}

export async function getPolicy(call: S3Call): Promise<void> {
  const { bucket } = await allow(call, 'GetBucketPolicy');
  const text = bucket.settings['policyText'];
  if (text === undefined) throw new S3Error('NoSuchBucketPolicy', 'The bucket policy does not exist');
  sendAnswer(call.req, call.res, { status: 200, type: 'application/json', text });
}

export async function putPolicy(call: S3Call): Promise<void> {
  const { bucket } = await allow(call, 'PutBucketPolicy');
  // The owner can always change the policy here, so the confirmation has no effect.
  flagOf(call, 'x-amz-confirm-remove-self-bucket-access');
  const text = await readText(call, largestPolicy);
  const policy = parsePolicy(text, bucket.name);
  const identities = await Promise.all(
    namesIn(policy).map(async (name) => [name, await call.core.namespaces.identity(name)]),
  );
  const policyNames = JSON.stringify(Object.fromEntries(identities));
  await changeWithRetry(call, 'PutBucketPolicy', (now) => {
    if (publicAccessOf(now).BlockPublicPolicy && isPublicPolicy(policy)) throw denied();
    return { set: { policyText: text, policyNames, policy: null }, given: blockSeen(now) };
  });
  sendEmpty(call, 204);
}

export async function deletePolicy(call: S3Call): Promise<void> {
  const allowed = await allow(call, 'DeleteBucketPolicy');
  await call.core.buckets.change(allowed, { set: { policy: null, policyText: null, policyNames: null } });
  sendEmpty(call, 204);
}

export async function getPolicyStatus(call: S3Call): Promise<void> {
  const { bucket } = await allow(call, 'GetBucketPolicyStatus');
  const policy = policyOf(bucket);
  const hasLists = ownershipOf(bucket) !== 'BucketOwnerEnforced' && !publicAccessOf(bucket).IgnorePublicAcls;
  const byPolicy = policy !== undefined && isPublicPolicy(policy);
  sendDocument(call, 'PolicyStatus', {
    IsPublic: byPolicy || (hasLists && isPublicAcl(bucketAcl(bucket))) || isPublic(bucket),
  });
}

export async function getPublicAccess(call: S3Call): Promise<void> {
  const { bucket } = await allow(call, 'GetBucketPublicAccessBlock');
  const { publicAccess: access } = bucket;
  if (!access)
    throw new S3Error('NoSuchPublicAccessBlockConfiguration', 'The public access block configuration was not found');
  sendDocument(call, 'PublicAccessBlockConfiguration', { ...access });
}

export async function putPublicAccess(call: S3Call): Promise<void> {
  const allowed = await allow(call, 'PutBucketPublicAccessBlock');
  const wish = await readDocument(call, documents.publicAccessBlock);
  const {
    BlockPublicAcls = false,
    IgnorePublicAcls = false,
    BlockPublicPolicy = false,
    RestrictPublicBuckets = false,
  } = wish;
  const access: PublicAccess = { BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets };
  await call.core.buckets.change(allowed, { publicAccess: access });
  sendEmpty(call, 200);
}

/** Parses an ownership header. */
export function demandOwnership(text: string): string {
  const found = documents.ownerships.find((one) => one === text);
  if (found === undefined)
    throw invalidArgument(`Invalid x-amz-object-ownership header: ${text}`, 'x-amz-object-ownership', text);
  return found;
}

export async function getOwnership(call: S3Call): Promise<void> {
  const { bucket } = await allow(call, 'GetBucketOwnershipControls');
  const ownership = bucket.settings['ownership'];
  if (ownership === undefined)
    throw new S3Error('OwnershipControlsNotFoundError', 'The bucket ownership controls were not found');
  sendDocument(call, 'OwnershipControls', { Rule: elements({ ObjectOwnership: ownership }) });
}

export async function putOwnership(call: S3Call): Promise<void> {
  await allow(call, 'PutBucketOwnershipControls');
  const {
    Rule: { ObjectOwnership: ownership },
  } = await readDocument(call, documents.ownershipControls);
  await changeWithRetry(call, 'PutBucketOwnershipControls', (now) => {
    const shared = bucketAcl(now).grants.some(
      ({ grantee }) => grantee.kind !== 'user' || namespaceNameOf(grantee.id) !== now.namespace,
    );
    if (ownership === 'BucketOwnerEnforced' && shared)
      throw new S3Error(
        'InvalidBucketAclWithObjectOwnership',
        "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
      );
    return { set: { ownership }, given: seen(now, 'acl') };
  });
  sendEmpty(call, 200);
}

/** Removes a setting of a bucket. */
export function deleteSetting(action: Setting, name: string): (call: S3Call) => Promise<void> {
  const change: BucketChange = name === 'publicAccess' ? { publicAccess: null } : { set: { [name]: null } };
  return async (call) => {
    await call.core.buckets.change(await allow(call, action), change);
    sendEmpty(call, 204);
  };
}

/** Lifecycle rules are stored as received after validation. */
export async function getLifecycle(call: S3Call): Promise<void> {
  const { bucket } = await allow(call, 'GetLifecycleConfiguration');
  const rules = settingOf<readonly Node[]>(bucket, 'lifecycle');
  if (!rules) throw new S3Error('NoSuchLifecycleConfiguration', 'The lifecycle configuration does not exist');
  sendDocument(call, 'LifecycleConfiguration', { Rule: rules.map((rule) => renderNodes(rule.children)) });
}

export async function putLifecycle(call: S3Call): Promise<void> {
  const allowed = await allow(call, 'PutLifecycleConfiguration');
  // Only concerns transitions, which this server lacks.
  const least = headerOf(call, 'x-amz-transition-default-minimum-object-size');
  if (least !== undefined && least !== 'all_storage_classes_128K' && least !== 'varies_by_storage_class') {
    throw invalidArgument(
      'The transition default minimum object size is not valid.',
      'x-amz-transition-default-minimum-object-size',
      least,
    );
  }
  const { Rule: rules } = await readDocument(call, lifecycleConfiguration);
  const kept = rules.map(({ node, rule }, at): Node => {
    const { name, text, children } = node;
    if (rule.ID) return { name, text, children };
    const ID = { name: 'ID', text: `rule-${at + 1}-${call.core.clock.now().toString(36)}`, children: [] };
    return { name, text, children: [ID, ...children.filter((child) => child.name !== 'ID')] };
  });
  await call.core.buckets.change(allowed, { set: { lifecycle: JSON.stringify(kept) } });
  sendEmpty(call, 200);
}

function renderNodes(nodes: readonly Node[]): Xml {
  return {
    xml: nodes
      .map(({ name, text, children }) => elements({ [name]: children.length === 0 ? text : renderNodes(children) }).xml)
      .join(''),
  };
}

/** Answers with S3's error code for a feature that no bucket has. */
export function notConfigured(action: Action, code: S3Code): (call: S3Call) => Promise<void> {
  return async (call) => {
    await allow(call, action);
    throw new S3Error(code);
  };
}

/** Answers with an empty configuration for a feature that no bucket has. */
export function emptyConfiguration(action: Action, root: string, all: Elements = {}): (call: S3Call) => Promise<void> {
  return async (call) => {
    await allow(call, action);
    sendDocument(call, root, all);
  };
}
