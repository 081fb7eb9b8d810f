/** Values of condition keys for a request. */
import { identityOf } from '../../core/tenants/identities.ts';
import type { Bucket, Retention, StoredObject } from '../../core/records.ts';
import { aboutOf } from './about.ts';
import { headerOf, type S3Call } from './call.ts';
import type { PolicyQuestion } from './policy.ts';
import { addressOf } from '../../http/client-address.ts';

/** Facts besides the request itself. */
export interface Circumstances {
  /** The addressed object, if there is one. */
  readonly object?: StoredObject | undefined;
  /** Tags in the request. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** Bucket, key and version, if they are not the request's own. */
  readonly bucket?: string;
  readonly key?: string;
  readonly version?: { readonly id: string | null } | undefined;
  /** The prefix of a listing. */
  readonly prefix?: string;
  /** Locks in the request's document. */
  readonly retention?: Retention | undefined;
  readonly hold?: string | undefined;
}

type Values = readonly string[] | undefined;

const one = (text: string | undefined): Values => (text === undefined ? undefined : [text]);
const day = 86_400_000;

/** @param action without `s3:` */
export function questionOf(call: S3Call, action: string, bucket: Bucket, circumstances: Circumstances): PolicyQuestion {
  const { object, prefix } = circumstances;
  const key = circumstances.key ?? object?.key ?? call.key;
  const isOnObject = key !== '' && prefix === undefined && !/Bucket/.test(action);
  return {
    action: `s3:${action}`,
    resource: `arn:aws:s3:::${bucket.name}${isOnObject ? `/${key}` : ''}`,
    namespace: call.who.namespace,
    identity: identityOf(call.who),
    value: (name) => valueOf(name, call, bucket, circumstances),
  };
}

function valueOf(name: string, call: S3Call, bucket: Bucket, circumstances: Circumstances): Values {
  const find = Object.hasOwn(values, name) ? values[name] : undefined;
  if (find) return find(call, bucket, circumstances);
  const [, family, rest] = /^s3:(existingobjecttag|requestobjecttag)\/(.+)$/.exec(name) ?? [];
  const { object } = circumstances;
  if (family === 'existingobjecttag') return one(object?.content ? lookUp(aboutOf(object).tags, rest!) : undefined);
  if (family === 'requestobjecttag') return one(lookUp(circumstances.tags, rest!));
  return name.startsWith('s3:x-amz-') ? one(headerOf(call, name.slice(3))) : undefined;
}

/** Tag names in condition keys are lower case here, like all condition keys. */
function lookUp(tags: Readonly<Record<string, string>> | undefined, name: string): string | undefined {
  return Object.entries(tags ?? {}).find(([key]) => key.toLowerCase() === name)?.[1];
}

const isAnonymous = ({ who }: S3Call): boolean => who.namespace === '';
const caller = (call: S3Call): Values => one(isAnonymous(call) ? undefined : call.who.namespace);
const owner = (_call: S3Call, bucket: Bucket): Values => [bucket.namespace];
const query =
  (name: string) =>
  (call: S3Call): Values =>
    one(call.query.get(name));

/** Keys with computed values. Other `s3:x-amz-` keys are headers; the rest have no value. */
const values: Readonly<Record<string, (call: S3Call, bucket: Bucket, circumstances: Circumstances) => Values>> = {
  'aws:currenttime': ({ core }) => [new Date(core.clock.now()).toISOString()],
  'aws:epochtime': ({ core }) => [String(Math.floor(core.clock.now() / 1000))],
  'aws:principalaccount': (call) => [isAnonymous(call) ? 'anonymous' : call.who.namespace],
  'aws:principalarn': (call) => one(isAnonymous(call) ? undefined : `arn:aws:iam::${call.who.namespace}:root`),
  'aws:principalisawsservice': () => ['false'],
  'aws:principaltype': (call) => [isAnonymous(call) ? 'Anonymous' : 'Account'],
  'aws:referer': ({ req }) => one(req.headers.referer),
  'aws:requestedregion': ({ region }) => [region],
  'aws:resourceaccount': owner,
  'aws:securetransport': () => ['false'],
  'aws:sourceip': ({ req }) => one(addressOf(req)),
  'aws:useragent': ({ req }) => one(req.headers['user-agent']),
  'aws:userid': (call) => [isAnonymous(call) ? 'anonymous' : call.who.namespace],
  'aws:username': caller,
  'aws:viaawsservice': () => ['false'],
  's3:authtype': authType,
  's3:delimiter': query('delimiter'),
  's3:if-match': (call) => one(headerOf(call, 'if-match')),
  's3:if-none-match': (call) => one(headerOf(call, 'if-none-match')),
  's3:max-keys': query('max-keys'),
  's3:object-lock-legal-hold': (call, _bucket, { hold }) => one(hold ?? headerOf(call, 'x-amz-object-lock-legal-hold')),
  's3:object-lock-mode': (call, _bucket, { retention }) =>
    one(retention?.mode ?? headerOf(call, 'x-amz-object-lock-mode')),
  's3:object-lock-remaining-retention-days': (call, _bucket, { retention }) => {
    const until = retention?.until ?? Date.parse(headerOf(call, 'x-amz-object-lock-retain-until-date') ?? '');
    return Number.isNaN(until) ? undefined : [String(Math.ceil((until - call.core.clock.now()) / day))];
  },
  's3:object-lock-retain-until-date': (call, _bucket, { retention }) =>
    one(retention ? new Date(retention.until).toISOString() : headerOf(call, 'x-amz-object-lock-retain-until-date')),
  // Creating an upload and its parts does not create an object; completing does.
  's3:objectcreationoperation': ({ req, query: asked }) => [
    String(!asked.has('uploads') && !(asked.has('uploadId') && req.method === 'PUT')),
  ],
  's3:prefix': (call, _bucket, { prefix }) => one(prefix ?? call.query.get('prefix')),
  's3:requestobjecttagkeys': (_call, _bucket, { tags }) => tags && Object.keys(tags),
  's3:resourceaccount': owner,
  's3:signatureage': ({ signed, core }) => signed && [String(Math.max(0, core.clock.now() - signed.claim.at))],
  's3:signatureversion': signatureVersion,
  's3:versionid': (call, _bucket, { version }) => one(version ? (version.id ?? 'null') : call.query.get('versionId')),
  // Forms have the ACL in the field `acl`.
  's3:x-amz-acl': (call) => one(call.fields?.get('acl') ?? headerOf(call, 'x-amz-acl')),
  's3:x-amz-content-sha256': (call) => one(call.signed?.claim.payload ?? headerOf(call, 'x-amz-content-sha256')),
  's3:x-amz-copy-source': (call) => copySource(headerOf(call, 'x-amz-copy-source')),
};

function authType(call: S3Call): Values {
  if (isAnonymous(call)) return undefined;
  if (call.fields) return ['POST'];
  return [call.signed?.claim.form === 'query' ? 'REST-QUERY-STRING' : 'REST-HEADER'];
}

/** Forms may use Signature Version 2. */
function signatureVersion(call: S3Call): Values {
  if (isAnonymous(call)) return undefined;
  return [call.fields && !call.fields.has('x-amz-signature') ? 'AWS' : 'AWS4-HMAC-SHA256'];
}

/** The copy source, with and without a leading slash, since both are valid. */
function copySource(field: string | undefined): Values {
  if (field === undefined) return undefined;
  const path = field.replace(/^\//, '').split('?')[0]!;
  try {
    const source = decodeURIComponent(path);
    return [source, `/${source}`];
  } catch {
    return [field];
  }
}
