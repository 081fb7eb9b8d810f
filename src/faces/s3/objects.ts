import type { Blob, Bucket, ObjectConditions, StoredObject } from '../../core/records.ts';
import { Refusal } from '../../core/refusal.ts';
import { sendBytes } from '../../http/outgoing.ts';
import { isStorable } from '../../kit/text.ts';
import { aboutOf, checksumHeadersOf, objectHeaders, printAbout, type About } from './about.ts';
import { storedField } from '../../http/header-fields.ts';
import { answer, headerOf, nothing, payloadOf, readDocument, type Call } from './call.ts';
import {
  algorithmNamed,
  algorithmOf,
  base64Of,
  checksumElements,
  checksumHeaders,
  demandFullObject,
  etagOf,
  refuseChecksums,
  usualChecksum,
} from './checksums.ts';
import {
  conditionsOf,
  conditionsOfDeletion,
  conditionsOfRead,
  deletionConditionsOf,
  versionNamed,
  versionOf,
} from './conditions.ts';
import { deletion, type ObjectToDelete } from './documents.ts';
import { fromRefusal, invalidArgument, S3Error } from './errors.ts';
import { findObject } from './finding.ts';
import { expirationHeader } from './lifecycle.ts';
import { bypasses } from './lock.ts';
import { newObject } from './new-object.ts';
import { allow, demandParts, ofVersion, refuseEarly } from './rights.ts';
import { tagsOf, type Tags } from './tags.ts';
import { elements, type Xml } from './xml.ts';

export async function putObject(call: Call): Promise<void> {
  const { core, bucket: name, key } = call;
  const { as, about, bucket, lock } = await newObject(call);
  const request = { bucket: name, key, conditions: conditionsOf(call) };
  await core.objects.demandPut(as, request);
  demandFullObject(headerOf(call, 'x-amz-checksum-type'));
  const { body, promised, verify } = payloadOf(call, {
    keep: algorithmNamed(headerOf(call, 'x-amz-checksum-algorithm')) ?? usualChecksum,
  });
  let checksums = {};
  const put = await core.objects.put(as, request, body, {
    measure: promised.measure,
    describe: (measured) => {
      checksums = verify(measured);
      return { etag: etagOf(measured), about: printAbout({ ...about, checksums }), lock };
    },
  });
  const expiration = expirationHeader(
    bucket,
    { key, content: { size: body.length ?? 0 }, createdAt: core.clock.now() },
    about.tags ?? {},
  );
  nothing(call, 200, {
    ETag: `"${put.etag}"`,
    ...expiration,
    ...checksumHeaders(checksums, undefined),
    ...(put.versionId === null ? {} : { 'x-amz-version-id': put.versionId }),
  });
}

/** Query parameters that set headers of the answer, for whoever signs. */
const overrides = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
];

/** GET and HEAD. */
export async function getObject(call: Call): Promise<void> {
  const { core, req, res, query, lifetime } = call;
  const version = versionOf(call);
  const { object, bucket } = await findObject(call, 'GetObject', version);
  const blob = await core.objects.blob(object);
  if (req.method === 'GET') await core.usage.demandTransfer(bucket.namespace);
  const number = query.get('partNumber');
  const part = number === undefined ? undefined : partOf(call, object, number);
  const what = {
    size: blob.size,
    etag: `"${object.content!.etag}"`,
    modifiedAt: object.createdAt,
    counted: true,
    headers: {
      ...(bucket.settings['cacheControl'] === undefined ? {} : { 'cache-control': bucket.settings['cacheControl'] }),
      ...objectHeaders(object, bucket.versioning !== 'off'),
      ...overridesOf(call),
      'X-Content-Type-Options': 'nosniff',
      ...(object.current ? expirationHeader(bucket, object, aboutOf(object).tags ?? {}) : {}),
      ...part?.headers,
      ...(call.signed ? {} : { 'Content-Security-Policy': "sandbox; default-src 'none'" }),
    },
    wholeHeaders: part ? {} : checksumHeadersOf(call, object),
    open: () => core.objects.open(blob),
  };
  await sendBytes(req, res, what, part ?? { offset: 0, limit: 0 }, {
    stall: lifetime.stall,
    conditions: conditionsOfRead(req.headers),
    onBytes: (count) => {
      call.onSent(count);
      core.usage.sent(bucket.namespace, count);
    },
  });
}

function overridesOf(call: Call): Record<string, string> {
  const found = overrides.flatMap((name) => {
    const value = call.query.get(`response-${name}`);
    return value === undefined
      ? []
      : [[name === 'content-type' ? 'Content-Type' : name, storedField(value, 'text', `response-${name}`)] as const];
  });
  if (found.length > 0 && !call.signed)
    throw new S3Error('InvalidRequest', 'Request specific response headers cannot be used for anonymous GET requests.');
  return Object.fromEntries(found);
}

interface AskedPart {
  readonly from: number;
  readonly to: number;
  readonly headers: Readonly<Record<string, string | number>>;
}

/** Where a part lies in the whole. An object that was put whole is its own first part. */
function partOf(call: Call, object: StoredObject, text: string): AskedPart {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > 10_000)
    throw new S3Error('InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive');
  if (call.req.headers.range !== undefined)
    throw new S3Error('InvalidRequest', 'Cannot specify both Range header and partNumber query parameter');
  const { parts, checksums, checksumType } = aboutOf(object);
  const enabled = headerOf(call, 'x-amz-checksum-mode')?.toUpperCase() === 'ENABLED';
  const part = (parts ?? [{ size: object.content!.size, checksums }])[number - 1];
  if (!part) throw new S3Error('InvalidPart', 'The requested partnumber is not satisfiable');
  const from = (parts ?? []).slice(0, number - 1).reduce((sum, { size }) => sum + size, 0);
  const headers = {
    ...(parts ? { 'x-amz-mp-parts-count': parts.length } : {}),
    ...(enabled ? checksumHeaders(part.checksums, checksumType) : {}),
  };
  return { from, to: from + part.size, headers };
}

export async function deleteObject(call: Call): Promise<void> {
  const version = versionOf(call);
  const gone = await remove(call, call.key, version, deletionConditionsOf(call));
  nothing(call, 204, deletionHeaders(gone, version !== undefined));
}

/** Deletes the newest version of a key, or one by its id, if the request may. */
async function remove(
  call: Call,
  key: string,
  version: ReturnType<typeof versionOf>,
  conditions: ObjectConditions,
): Promise<StoredObject | undefined> {
  const { core, bucket: name } = call;
  const object = version ? await core.objects.peek(name, key, version) : undefined;
  const { bucket, as } = await allow(call, version ? 'DeleteObjectVersion' : 'DeleteObject', { key, object, version });
  return version
    ? core.objects.removeVersion(as, name, key, version.id, {
        conditions,
        bypass: object !== undefined && bypasses(call, bucket, object),
      })
    : core.objects.remove(as, name, key, { conditions });
}

function deletionHeaders(gone: StoredObject | undefined, versioned: boolean): Record<string, string> {
  if (!gone) return {};
  const marker: Record<string, string> = gone.content === null ? { 'x-amz-delete-marker': 'true' } : {};
  return versioned || gone.content === null ? { ...marker, 'x-amz-version-id': gone.versionId ?? 'null' } : {};
}

export async function deleteObjects(call: Call): Promise<void> {
  await refuseEarly(call, () => allow(call, 'DeleteObject'));
  const { Object: objects, Quiet: quiet = false } = await readDocument(call, deletion);
  const told: { name: 'Deleted' | 'Error'; xml: Xml }[] = [];
  for (const object of objects) {
    const outcome = await deleteOne(call, object);
    if (!quiet || outcome.name === 'Error') told.push(outcome);
  }
  answer(call, 'DeleteResult', {
    Deleted: told.filter(({ name }) => name === 'Deleted').map(({ xml }) => xml),
    Error: told.filter(({ name }) => name === 'Error').map(({ xml }) => xml),
  });
}

async function deleteOne(call: Call, wish: ObjectToDelete): Promise<{ name: 'Deleted' | 'Error'; xml: Xml }> {
  const { Key: key, VersionId: version } = wish;
  try {
    const gone = await remove(
      call,
      key,
      version === undefined ? undefined : wishedVersion(version),
      conditionsOfDeletion(wish),
    );
    const marked = gone?.content === null;
    return {
      name: 'Deleted',
      xml: elements({
        Key: key,
        VersionId: version,
        ...(marked ? { DeleteMarker: true, DeleteMarkerVersionId: gone.versionId ?? 'null' } : {}),
      }),
    };
  } catch (error) {
    if (!(error instanceof Refusal) && !(error instanceof S3Error)) throw error;
    const { code, message } = error instanceof S3Error ? error : fromRefusal(error);
    return { name: 'Error', xml: elements({ Key: key, VersionId: version, Code: code, Message: message }) };
  }
}

/** Of many objects one by an impossible id is told as one that there is not. */
function wishedVersion(version: string): ReturnType<typeof versionNamed> {
  try {
    return versionNamed(version);
  } catch {
    throw new S3Error('NoSuchVersion');
  }
}

/** Copies an object within this store; no byte is moved. */
export async function copyObject(call: Call): Promise<void> {
  const { core, bucket: name, key } = call;
  const [metadata, tagging] = ['x-amz-metadata-directive', 'x-amz-tagging-directive'].map(
    (header) => headerOf(call, header) ?? 'COPY',
  );
  if (![metadata, tagging].every((directive) => directive === 'COPY' || directive === 'REPLACE'))
    throw new S3Error('InvalidArgument', 'Unknown directive.');
  const algorithm = algorithmNamed(headerOf(call, 'x-amz-checksum-algorithm'));
  demandFullObject(headerOf(call, 'x-amz-checksum-type'));
  refuseChecksums((header) => headerOf(call, header));
  const source = await sourceOf(call);
  const before = aboutOf(source.object);
  const tags = tagging === 'REPLACE' ? tagsOf(call) : copiedTags(call, source);
  const { bucket, as, about, lock } = await newObject(call, tags);
  const unchanged = metadata === 'COPY' && tagging === 'COPY' && algorithm === undefined;
  if (unchanged && source.from.name === name && source.key === key && source.version === undefined) {
    throw new S3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  const { type, headers, meta } = metadata === 'COPY' ? before : about;
  const kept: About = { ...about, type, headers, meta, ...(await copiedChecksums(call, source, algorithm)) };
  // What came in parts keeps the tag of the parts: nobody can tell it from its bytes.
  const { etag } = source.object.content!;
  const put = await core.objects.copy(as, { bucket: name, key, conditions: conditionsOf(call) }, source.blob.uuid, {
    etag,
    about: printAbout(kept),
    lock,
  });
  answer(
    call,
    'CopyObjectResult',
    {
      LastModified: new Date(core.clock.now()).toISOString(),
      ETag: `"${etag}"`,
      ...checksumElements(kept.checksums, kept.checksumType),
    },
    {
      ...(bucket.versioning === 'off' ? {} : { 'x-amz-version-id': put.versionId ?? 'null' }),
      ...(source.object.versionId === null ? {} : { 'x-amz-copy-source-version-id': source.object.versionId }),
    },
  );
}

/** The tags that a copy takes along, for a caller who may read them where they are. @throws S3Error `AccessDenied` */
function copiedTags(call: Call, { from, key, version, object }: Source): Tags | undefined {
  const { tags } = aboutOf(object);
  const action = version ? ofVersion('GetObjectTagging') : 'GetObjectTagging';
  if (tags) demandParts(call, [action], from, { bucket: from.name, key, object, version });
  return tags;
}

/** The checksum of a copy: its source's, unless the request names another algorithm, or there is none. That is of the whole, whatever the source's was. */
async function copiedChecksums(
  { core }: Call,
  { object, blob }: Source,
  asked: string | undefined,
): Promise<Pick<About, 'checksums' | 'checksumType' | 'parts'>> {
  const { checksums, checksumType, parts } = aboutOf(object);
  const [name] = Object.keys(checksums);
  const same = asked === undefined ? name !== undefined : name === asked && checksumType !== 'COMPOSITE';
  if (same) return { checksums, ...(checksumType === undefined ? {} : { checksumType }), ...(parts ? { parts } : {}) };
  const wanted = asked ?? usualChecksum;
  const { hex } = await core.objects.digest(blob, algorithmOf(wanted));
  return {
    checksums: { [wanted]: base64Of(hex) },
    ...(parts ? { parts: parts.map((part) => ({ ...part, checksums: {} })) } : {}),
  };
}

interface Source {
  readonly from: Bucket;
  readonly key: string;
  readonly version: { readonly id: string | null } | undefined;
  readonly object: StoredObject;
  readonly blob: Blob;
}

/** What `x-amz-copy-source` names, if the request may read it and its conditions hold. */
export async function sourceOf(call: Call): Promise<Source> {
  const field = headerOf(call, 'x-amz-copy-source') ?? '';
  const [path = '', ...query] = field.replace(/^\//, '').split('?');
  const match = /^([^/]+)\/(.+)$/s.exec(safeDecode(path));
  if (!match)
    throw new S3Error('InvalidArgument', 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey');
  const id = /^versionId=(.*)$/.exec(query.join('?'))?.[1];
  if (query.length > 0 && id === undefined)
    throw invalidArgument('A copy source has no parameter but versionId.', 'x-amz-copy-source', field);
  const version = id === undefined ? undefined : versionNamed(id);
  const [, bucket = '', key = ''] = match;
  const owner = headerOf(call, 'x-amz-source-expected-bucket-owner');
  const from = await call.known.bucket(bucket);
  if (owner !== undefined && from && from.namespace !== owner) throw new S3Error('AccessDenied');
  const { object, bucket: found } = await findObject(call, 'GetObject', version, { bucket, key });
  demandSource(call, object);
  return { from: found, key, version, object, blob: await call.core.objects.blob(object) };
}

function safeDecode(text: string): string {
  try {
    const decoded = decodeURIComponent(text);
    if (isStorable(decoded)) return decoded;
  } catch {
    // Said below.
  }
  throw new S3Error('InvalidArgument', 'The copy source is not percent-encoded UTF-8, or has U+0000.');
}

function demandSource(call: Call, object: StoredObject): void {
  const etag = object.content!.etag;
  const modified = Math.floor(object.createdAt / 1000);
  const header = (name: string): string | undefined => headerOf(call, `x-amz-copy-source-if-${name}`);
  const names = (list: string): boolean =>
    list.split(',').some((tag) => ['*', etag].includes(tag.trim().replaceAll('"', '')));
  const since = (text: string): number => {
    const at = Date.parse(text);
    if (Number.isNaN(at)) throw invalidArgument('The condition must be a time.', 'x-amz-copy-source-if', text);
    return Math.floor(at / 1000);
  };
  const [match, noneMatch, modifiedSince, unmodifiedSince] = [
    'match',
    'none-match',
    'modified-since',
    'unmodified-since',
  ].map(header);
  const fails =
    (match !== undefined && !names(match)) ||
    (noneMatch !== undefined && names(noneMatch)) ||
    (modifiedSince !== undefined && noneMatch === undefined && modified <= since(modifiedSince)) ||
    (unmodifiedSince !== undefined && match === undefined && modified > since(unmodifiedSince));
  if (fails) throw new S3Error('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold');
}
