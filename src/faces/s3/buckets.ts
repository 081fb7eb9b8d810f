import { grants } from '../../core/tenants/access.ts';
import { Refusal } from '../../core/refusal.ts';
import { sendAnswer } from '../../http/responses.ts';
import { aclFromHeaders, ownerElement } from './acl.ts';
import { sendDocument, flagOf, headerOf, sendEmpty, readDocument, readText, type S3Call } from './call.ts';
import { corsRulesOf, renderCors } from './cors.ts';
import { corsConfiguration, createBucketConfiguration, versioningConfiguration } from './documents.ts';
import { invalidArgument, S3Error } from './errors.ts';
import { allow, denied } from './rights.ts';
import { readAs } from './schema.ts';
import { demandOwnership } from './settings.ts';
import { bucketTags } from './tags.ts';
import { elements } from './xml.ts';

/** Stands for an empty body. */
const empty = { name: 'CreateBucketConfiguration', text: '', children: [] };

/** Maximum number of buckets in a page. */
const mostBuckets = 10_000;

export async function listBuckets(call: S3Call): Promise<void> {
  const { core, who, query } = call;
  const asked = query.get('max-buckets');
  const max = asked === undefined ? mostBuckets : Number(/^\d{1,5}$/.test(asked) ? asked : 0);
  if (max < 1 || max > mostBuckets)
    throw invalidArgument('Argument max-buckets must be an integer between 1 and 10000.', 'max-buckets', asked!);
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
  sendDocument(call, 'ListAllMyBucketsResult', {
    Owner: ownerElement(who.namespace),
    Buckets: elements({
      Bucket: page.map(({ name, createdAt }) =>
        elements({ Name: name, CreationDate: new Date(createdAt).toISOString(), BucketRegion: call.region }),
      ),
    }),
    Prefix: query.get('prefix'),
    ContinuationToken: found.length > max ? Buffer.from(page.at(-1)!.name, 'utf8').toString('base64url') : undefined,
  });
}

export async function createBucket(call: S3Call): Promise<void> {
  const { core, who, bucket: name } = call;
  const space = headerOf(call, 'x-amz-bucket-namespace');
  if (space !== undefined && space !== 'global')
    throw new S3Error('NotImplemented', 'This server has one namespace of buckets.', {
      Header: 'x-amz-bucket-namespace',
    });
  const { Tags } = await configurationFrom(call);
  if (who.namespace === '' || !grants(who, 'admin', name)) throw denied();
  const tags = Tags === undefined || Tags.Tag.length === 0 ? {} : { tags: JSON.stringify(bucketTags(Tags)) };
  const settings: Record<string, string> = { ...(await settingsFrom(call)), ...tags };
  const lock = flagOf(call, 'x-amz-bucket-object-lock-enabled') ? {} : undefined;
  try {
    await core.buckets.create(who, name, { settings, lock, versioning: lock ? 'enabled' : 'off' });
  } catch (error) {
    // Creating one's own bucket again with the same ACL succeeds.
    const own = error instanceof Refusal && error.reason === 'bucket_owned';
    const there = own ? await core.buckets.peek(name) : undefined;
    if (!there || there.settings['acl'] !== settings['acl']) throw error;
  }
  sendEmpty(call, 200, { Location: `/${name}`, 'x-amz-bucket-arn': arnOf(name) });
}

/** The configuration of a new bucket, which must be in this server's region. */
async function configurationFrom(call: S3Call): Promise<ReturnType<typeof createBucketConfiguration.read>> {
  const { size, read } = createBucketConfiguration;
  const text = await readText(call, size);
  const configuration = text.trim() === '' ? read(empty) : readAs(createBucketConfiguration, text);
  const { LocationConstraint: place = '' } = configuration;
  if (place !== '' && place !== call.region)
    throw new S3Error('InvalidLocationConstraint', `The location constraint must be ${call.region}, or nothing`, {
      LocationConstraint: place,
    });
  return configuration;
}

/** The settings in the headers of a new bucket. */
async function settingsFrom(call: S3Call): Promise<Record<string, string>> {
  const { core, who } = call;
  const asked = headerOf(call, 'x-amz-object-ownership');
  const acl = await aclFromHeaders(core, (name) => headerOf(call, name), who.namespace, who.namespace);
  const ownership = asked === undefined ? undefined : demandOwnership(asked);
  if (ownership === 'BucketOwnerEnforced' && acl && acl.grants.length > 1)
    throw new S3Error(
      'InvalidBucketAclWithObjectOwnership',
      "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
    );
  return {
    ...(acl ? { acl: JSON.stringify(acl) } : {}),
    ...(ownership === undefined ? {} : { ownership }),
  };
}

export async function headBucket(call: S3Call): Promise<void> {
  await allow(call, 'ListBucket');
  sendEmpty(call, 200, { 'x-amz-bucket-region': call.region, 'x-amz-bucket-arn': arnOf(call.bucket) });
}

function arnOf(bucket: string): string {
  return `arn:aws:s3:::${bucket}`;
}

export async function deleteBucket(call: S3Call): Promise<void> {
  await call.core.buckets.remove(await allow(call, 'DeleteBucket'));
  sendEmpty(call, 204);
}

export async function getLocation(call: S3Call): Promise<void> {
  await allow(call, 'GetBucketLocation');
  const place = call.region === 'us-east-1' ? '' : call.region;
  sendAnswer(call.req, call.res, {
    status: 200,
    type: 'application/xml',
    text: `<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${place}</LocationConstraint>`,
  });
}

export async function getVersioning(call: S3Call): Promise<void> {
  const {
    bucket: { versioning },
  } = await allow(call, 'GetBucketVersioning');
  sendDocument(
    call,
    'VersioningConfiguration',
    versioning === 'off' ? {} : { Status: versioning === 'enabled' ? 'Enabled' : 'Suspended' },
  );
}

export async function putVersioning(call: S3Call): Promise<void> {
  const allowed = await allow(call, 'PutBucketVersioning');
  const { Status: status } = await readDocument(call, versioningConfiguration);
  if (status === 'Suspended' && allowed.bucket.lock)
    throw new S3Error(
      'InvalidBucketState',
      'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.',
    );
  await call.core.buckets.change(allowed, { versioning: status === 'Enabled' ? 'enabled' : 'suspended' });
  sendEmpty(call, 200);
}

export async function getCors(call: S3Call): Promise<void> {
  const {
    bucket: { settings },
  } = await allow(call, 'GetBucketCORS');
  if (settings['cors'] === undefined)
    throw new S3Error('NoSuchCORSConfiguration', 'The CORS configuration does not exist');
  sendDocument(call, 'CORSConfiguration', renderCors(settings['cors']));
}

export async function putCors(call: S3Call): Promise<void> {
  const allowed = await allow(call, 'PutBucketCORS');
  const rules = corsRulesOf(await readDocument(call, corsConfiguration));
  await call.core.buckets.change(allowed, { set: { cors: JSON.stringify(rules) } });
  sendEmpty(call, 200);
}
