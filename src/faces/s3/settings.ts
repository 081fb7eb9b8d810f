/** What is set on a bucket: lists, policy, ownership, public access, lifecycle. Also the lists of objects. */
import { aclFromHeaders, isPublicAcl, parseAcl, renderAcl, type Acl } from './acl.ts';
import { answer, headerOf, nothing, readDocument, readText, type Call } from './call.ts';
import { versionOf } from './conditions.ts';
import { S3Error, type S3Code } from './errors.ts';
import { changeVersion, findObject } from './finding.ts';
import type { Node } from './lifecycle.ts';
import { isPublicPolicy, parsePolicy, type Policy } from './policy.ts';
import { allow, bucketAcl, denied, objectAcl, ownershipOf, settingOf, type Action, type PublicAccess } from './rights.ts';
import type { BucketChange } from '../../core/engine.ts';
import type { Bucket } from '../../core/model.ts';
import { Refusal } from '../../core/refusal.ts';
import { elements, malformed, parse, type Element, type Xml } from './xml.ts';
import { send } from '../../http/answering.ts';

export async function getBucketAcl(call: Call): Promise<void> {
  const { bucket } = await allow(call, 'GetBucketAcl');
  answer(call, 'AccessControlPolicy', renderAcl(bucketAcl(bucket)));
}

export async function putBucketAcl(call: Call): Promise<void> {
  const { bucket } = await allow(call, 'PutBucketAcl');
  const acl = await askedAcl(call, bucket, bucket.namespace);
  await decide(call, 'PutBucketAcl', (now) => {
    demandLists(now);
    demandPrivate(now, acl);
    return { set: { acl: JSON.stringify(acl) }, given: seen(now, 'ownership', 'publicAccess') };
  });
  nothing(call, 200);
}

export async function getObjectAcl(call: Call): Promise<void> {
  const { bucket, object } = await findObject(call, 'GetObjectAcl', versionOf(call));
  answer(call, 'AccessControlPolicy', renderAcl(objectAcl(bucket, object)), object.versionId === null ? {} : { 'x-amz-version-id': object.versionId });
}

export async function putObjectAcl(call: Call): Promise<void> {
  const { bucket, object } = await findObject(call, 'PutObjectAcl', versionOf(call));
  const { owner } = objectAcl(bucket, object);
  const acl = await askedAcl(call, bucket, owner);
  await changeVersion(call, () => findObject(call, 'PutObjectAcl', versionOf(call)), async (found) => {
    // Another's object may have taken its place: the list names the owner of the one that was there.
    if (objectAcl(found.bucket, found.object).owner !== owner) throw denied();
    return call.core.objects.describe(found.as, found.object, 'acl', JSON.stringify(acl));
  });
  nothing(call, 200);
}

const mostDecisions = 5;

/**
 * Changes a bucket by a decision that looks at its other settings. The change names what the decision looked at; where that changed
 * meanwhile, right and decision are asked again.
 */
async function decide(call: Call, action: Action, decision: (bucket: Bucket) => BucketChange): Promise<void> {
  for (let turn = 1; ; turn += 1) {
    const { bucket, as } = await allow(call, action);
    try {
      await call.core.buckets.change(as, bucket.name, decision(bucket));
      return;
    } catch (error) {
      if (!(error instanceof Refusal) || error.details['stale'] === undefined || turn === mostDecisions) throw error;
      call.known.forget(bucket.name);
    }
  }
}

/** Settings as they were read. */
function seen({ settings }: Bucket, ...names: readonly string[]): Record<string, string | null> {
  return Object.fromEntries(names.map((name) => [name, settings[name] ?? null]));
}

/** @throws S3Error for a bucket whose objects are all its owner's. */
function demandLists(bucket: Bucket): void {
  if (ownershipOf(bucket) === 'BucketOwnerEnforced') throw new S3Error('AccessControlListNotSupported', 'The bucket does not allow ACLs');
}

/** The list that a request brings, in its headers or its body. */
async function askedAcl(call: Call, bucket: Bucket, owner: string): Promise<Acl> {
  demandLists(bucket);
  const text = await readText(call);
  const fromHeaders = await aclFromHeaders(call.core, (name) => headerOf(call, name), owner, bucket.namespace);
  const acl = fromHeaders ?? (await parseAcl(call.core, parse(text, 'AccessControlPolicy'), owner));
  demandPrivate(bucket, acl);
  return acl;
}

/** @throws S3Error `AccessDenied` for a public list where those are blocked. */
export function demandPrivate(bucket: Bucket, acl: Acl): void {
  if (settingOf<PublicAccess>(bucket, 'publicAccess')?.BlockPublicAcls && isPublicAcl(acl)) throw denied();
}

export async function getPolicy(call: Call): Promise<void> {
  const { bucket } = await allow(call, 'GetBucketPolicy');
  const text = bucket.settings['policyText'];
  if (text === undefined) throw new S3Error('NoSuchBucketPolicy', 'The bucket policy does not exist');
  send(call.req, call.res, { status: 200, type: 'application/json', text });
}

export async function putPolicy(call: Call): Promise<void> {
  const { bucket } = await allow(call, 'PutBucketPolicy');
  const text = await readText(call);
  const policy = parsePolicy(text, bucket.name);
  await decide(call, 'PutBucketPolicy', (now) => {
    if (settingOf<PublicAccess>(now, 'publicAccess')?.BlockPublicPolicy && isPublicPolicy(policy)) throw denied();
    return { set: { policyText: text, policy: JSON.stringify(policy) }, given: seen(now, 'publicAccess') };
  });
  nothing(call, 204);
}

export async function deletePolicy(call: Call): Promise<void> {
  const { bucket, as } = await allow(call, 'DeleteBucketPolicy');
  await call.core.buckets.change(as, bucket.name, { set: { policy: null, policyText: null } });
  nothing(call, 204);
}

export async function getPolicyStatus(call: Call): Promise<void> {
  const { bucket } = await allow(call, 'GetBucketPolicyStatus');
  const policy = settingOf<Policy>(bucket, 'policy');
  const access = settingOf<PublicAccess>(bucket, 'publicAccess');
  const open = (isPublicAcl(bucketAcl(bucket)) && !access?.IgnorePublicAcls) || (policy !== undefined && isPublicPolicy(policy));
  answer(call, 'PolicyStatus', { IsPublic: open });
}

export async function getPublicAccess(call: Call): Promise<void> {
  const { bucket } = await allow(call, 'GetBucketPublicAccessBlock');
  const access = settingOf<PublicAccess>(bucket, 'publicAccess');
  if (!access) throw new S3Error('NoSuchPublicAccessBlockConfiguration', 'The public access block configuration was not found');
  answer(call, 'PublicAccessBlockConfiguration', { ...access });
}

export async function putPublicAccess(call: Call): Promise<void> {
  const { bucket, as } = await allow(call, 'PutBucketPublicAccessBlock');
  const wish = await readDocument(call, 'PublicAccessBlockConfiguration');
  const flag = (name: string): boolean => wish.value(name)?.trim().toLowerCase() === 'true';
  const access: PublicAccess = {
    BlockPublicAcls: flag('BlockPublicAcls'), IgnorePublicAcls: flag('IgnorePublicAcls'), BlockPublicPolicy: flag('BlockPublicPolicy'), RestrictPublicBuckets: flag('RestrictPublicBuckets'),
  };
  await call.core.buckets.change(as, bucket.name, { set: { publicAccess: JSON.stringify(access) } });
  nothing(call, 200);
}

const ownerships = ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'];

export function demandOwnership(text: string | undefined): string {
  if (text === undefined || !ownerships.includes(text)) throw malformed();
  return text;
}

export async function getOwnership(call: Call): Promise<void> {
  const { bucket } = await allow(call, 'GetBucketOwnershipControls');
  const ownership = bucket.settings['ownership'];
  if (ownership === undefined) throw new S3Error('OwnershipControlsNotFoundError', 'The bucket ownership controls were not found');
  answer(call, 'OwnershipControls', { Rule: elements({ ObjectOwnership: ownership }) });
}

export async function putOwnership(call: Call): Promise<void> {
  await allow(call, 'PutBucketOwnershipControls');
  const rules = (await readDocument(call, 'OwnershipControls')).all('Rule');
  if (rules.length !== 1) throw malformed();
  const ownership = demandOwnership(rules[0]!.value('ObjectOwnership')?.trim());
  await decide(call, 'PutBucketOwnershipControls', (now) => {
    const shared = bucketAcl(now).grants.some(({ grantee }) => grantee.kind !== 'user' || grantee.id !== now.namespace);
    if (ownership === 'BucketOwnerEnforced' && shared) throw new S3Error('InvalidBucketAclWithObjectOwnership', 'Bucket cannot have ACLs set with ObjectOwnership\'s BucketOwnerEnforced setting');
    return { set: { ownership }, given: seen(now, 'acl') };
  });
  nothing(call, 200);
}

/** Takes a setting off a bucket. */
export function deleteSetting(action: Action, name: string): (call: Call) => Promise<void> {
  return async (call) => {
    const { bucket, as } = await allow(call, action);
    await call.core.buckets.change(as, bucket.name, { set: { [name]: null } });
    nothing(call, 204);
  };
}

/** Settings that are kept as they came, once they were found to be in order. */
export async function getLifecycle(call: Call): Promise<void> {
  const { bucket } = await allow(call, 'GetLifecycleConfiguration');
  const rules = settingOf<readonly Node[]>(bucket, 'lifecycle');
  if (!rules) throw new S3Error('NoSuchLifecycleConfiguration', 'The lifecycle configuration does not exist');
  answer(call, 'LifecycleConfiguration', { Rule: rules.map((rule) => renderNodes(rule.children)) });
}

export async function putLifecycle(call: Call): Promise<void> {
  const { bucket, as } = await allow(call, 'PutLifecycleConfiguration');
  const rules = (await readDocument(call, 'LifecycleConfiguration')).all('Rule');
  demandRules(rules);
  const kept = rules.map((rule, at) => {
    const node = nodeOf(rule);
    return rule.value('ID') ? node : { ...node, children: [{ name: 'ID', text: `rule-${at + 1}-${Date.now().toString(36)}`, children: [] }, ...node.children.filter(({ name }) => name !== 'ID')] };
  });
  await call.core.buckets.change(as, bucket.name, { set: { lifecycle: JSON.stringify(kept) } });
  nothing(call, 200);
}

function demandRules(rules: readonly Element[]): void {
  if (rules.length === 0 || rules.length > 1000) throw malformed();
  const ids = rules.flatMap((rule) => rule.value('ID') ?? []);
  if (new Set(ids).size !== ids.length) throw new S3Error('InvalidArgument', 'Rule ID must be unique. Found same ID for more than one rule');
  for (const rule of rules) {
    if ((rule.value('ID')?.length ?? 0) > 255) throw new S3Error('InvalidArgument', 'ID length should not exceed allowed limit of 255');
    const status = rule.value('Status');
    if (status !== 'Enabled' && status !== 'Disabled') throw malformed();
    demandDate(rule.one('Expiration')?.value('Date'));
    for (const [holder, name] of [['Expiration', 'Days'], ['NoncurrentVersionExpiration', 'NoncurrentDays'], ['AbortIncompleteMultipartUpload', 'DaysAfterInitiation']] as const) {
      const days = rule.one(holder)?.value(name);
      if (days !== undefined && !(Number(days) > 0)) throw new S3Error('InvalidArgument', `'${name}' must be a positive integer`);
    }
    for (const transition of rule.children.filter(({ name }) => /Transition$/.test(name))) demandDate(transition.value('Date'));
    if (rule.children.some(({ name }) => /Transition$/.test(name))) throw new S3Error('NotImplemented', 'There is one storage class here, and nothing to move objects to');
  }
}

function demandDate(date: string | undefined): void {
  if (date !== undefined && !/^\d{4}-?\d\d-?\d\d(?:T00:?00:?00(?:\.000)?Z)?$/.test(date.trim())) throw malformed();
}

function nodeOf({ name, text, children }: Element): Node {
  return { name, text: children.length === 0 ? text : '', children: children.map(nodeOf) };
}

function renderNodes(nodes: readonly Node[]): Xml {
  return { xml: nodes.map(({ name, text, children }) => elements({ [name]: children.length === 0 ? text : renderNodes(children) }).xml).join('') };
}

/** What tools ask for before they look further: there is none of it. */
export function absent(action: Action, code: S3Code): (call: Call) => Promise<void> {
  return async (call) => {
    await allow(call, action);
    throw new S3Error(code, 'There is no such configuration of this bucket');
  };
}
