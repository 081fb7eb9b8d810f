import { grants } from '../../core/access.ts';
import { Refusal } from '../../core/refusal.ts';
import { send } from '../../http/answering.ts';
import { aclFromHeaders, person } from './acl.ts';
import { answer, headerOf, nothing, readDocument, readText, type Call } from './call.ts';
import { parseCors, renderCors } from './cors.ts';
import { S3Error } from './errors.ts';
import { maxOf } from './listing.ts';
import { allow, denied } from './rights.ts';
import { demandOwnership } from './settings.ts';
import { elements, malformed, parse } from './xml.ts';

export async function listBuckets(call: Call): Promise<void> {
  const { core, who, query } = call;
  const max = query.has('max-buckets') ? maxOf(query.get('max-buckets')) : 10_000;
  const prefix = query.get('prefix') ?? '';
  const token = query.get('continuation-token');
  const found = [];
  let after = token === undefined ? null : Buffer.from(token, 'base64url').toString('utf8');
  for (;;) {
    const page = await core.buckets.list(who, { after, limit: 1000 });
    found.push(...page.buckets.filter(({ name }) => name.startsWith(prefix)));
    after = page.next;
    if (after === null || found.length > max) break;
  }
  const page = found.slice(0, max);
  answer(call, 'ListAllMyBucketsResult', {
    Owner: person(who.namespace),
    Buckets: elements({ Bucket: page.map(({ name, createdAt }) => elements({ Name: name, CreationDate: new Date(createdAt).toISOString(), BucketRegion: call.region })) }),
    Prefix: query.get('prefix'), ContinuationToken: found.length > max ? Buffer.from(page.at(-1)!.name, 'utf8').toString('base64url') : undefined,
  });
}

export async function createBucket(call: Call): Promise<void> {
  const { core, who, bucket: name, region } = call;
  const text = await readText(call);
  if (text.trim() !== '') {
    const place = parse(text, 'CreateBucketConfiguration').value('LocationConstraint')?.trim() ?? '';
    if (place !== '' && place !== region) throw new S3Error('InvalidLocationConstraint', `The location constraint must be ${region}, or nothing`);
  }
  if (who.namespace === '' || !grants(who, 'admin', name)) throw denied();
  const settings = await settingsFrom(call);
  const versioning = settings['lock'] === undefined ? 'off' : 'enabled';
  try {
    await core.buckets.create(who, name, { settings, versioning });
  } catch (error) {
    // Who asks again for what is its own has it.
    const own = error instanceof Refusal && error.reason === 'conflict' && error.details['owned'] === 'yes';
    const there = own ? (await core.buckets.peek(name))?.settings : undefined;
    if (!there || (settings['acl'] ?? there['acl']) !== there['acl'] || (there['acl'] !== undefined && settings['acl'] === undefined)) throw error;
  }
  nothing(call, 200, { Location: `/${name}` });
}

/** What the headers set on a new bucket. */
async function settingsFrom(call: Call): Promise<Record<string, string>> {
  const { core, who } = call;
  const asked = headerOf(call, 'x-amz-object-ownership');
  const acl = await aclFromHeaders(core, (name) => headerOf(call, name), who.namespace, who.namespace);
  const ownership = asked === undefined ? undefined : demandOwnership(asked);
  if (ownership === 'BucketOwnerEnforced' && acl && acl.grants.length > 1) throw new S3Error('InvalidBucketAclWithObjectOwnership', 'Bucket cannot have ACLs set with ObjectOwnership\'s BucketOwnerEnforced setting');
  return {
    ...(acl ? { acl: JSON.stringify(acl) } : {}),
    ...(ownership === undefined ? {} : { ownership }),
    ...(headerOf(call, 'x-amz-bucket-object-lock-enabled')?.toLowerCase() === 'true' ? { lock: '{}' } : {}),
  };
}

export async function headBucket(call: Call): Promise<void> {
  await allow(call, 'ListBucket');
  nothing(call, 200, { 'x-amz-bucket-region': call.region });
}

export async function deleteBucket(call: Call): Promise<void> {
  const { core, bucket } = call;
  const { as } = await allow(call, 'DeleteBucket');
  await core.buckets.remove(as, bucket);
  nothing(call, 204);
}

export async function getLocation(call: Call): Promise<void> {
  await allow(call, 'GetBucketLocation');
  const place = call.region === 'us-east-1' ? '' : call.region;
  send(call.req, call.res, { status: 200, type: 'application/xml', text: `<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${place}</LocationConstraint>` });
}

export async function getVersioning(call: Call): Promise<void> {
  const { bucket: { versioning } } = await allow(call, 'GetBucketVersioning');
  answer(call, 'VersioningConfiguration', versioning === 'off' ? {} : { Status: versioning === 'enabled' ? 'Enabled' : 'Suspended' });
}

export async function putVersioning(call: Call): Promise<void> {
  const { bucket, as } = await allow(call, 'PutBucketVersioning');
  const status = (await readDocument(call, 'VersioningConfiguration')).value('Status')?.trim();
  if (status !== 'Enabled' && status !== 'Suspended') throw malformed();
  if (status === 'Suspended' && bucket.settings['lock'] !== undefined) throw new S3Error('InvalidBucketState', 'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.');
  await call.core.buckets.change(as, bucket.name, { versioning: status === 'Enabled' ? 'enabled' : 'suspended' });
  nothing(call, 200);
}

export async function getCors(call: Call): Promise<void> {
  const { bucket: { settings } } = await allow(call, 'GetBucketCORS');
  if (settings['cors'] === undefined) throw new S3Error('NoSuchCORSConfiguration', 'The CORS configuration does not exist');
  answer(call, 'CORSConfiguration', renderCors(settings['cors']));
}

export async function putCors(call: Call): Promise<void> {
  const { bucket, as } = await allow(call, 'PutBucketCORS');
  const rules = parseCors(await readDocument(call, 'CORSConfiguration'));
  await call.core.buckets.change(as, bucket.name, { set: { cors: JSON.stringify(rules) } });
  nothing(call, 200);
}
