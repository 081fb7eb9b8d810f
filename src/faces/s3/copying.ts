/** Copies within this store. No bytes are copied. */
import type { Blob, Bucket, StoredObject } from '../../core/records.ts';
import { isStorable } from '../../kit/text.ts';
import { aboutOf, printAbout, type About } from './about.ts';
import { sendDocument, headerOf, type S3Call } from './call.ts';
import {
  algorithmNamed,
  algorithmOf,
  base64Of,
  checksumElements,
  demandFullObject,
  refuseChecksums,
  usualChecksum,
} from './checksums.ts';
import { conditionsOf, versionNamed } from './conditions.ts';
import { invalidArgument, S3Error } from './errors.ts';
import { findObject } from './finding.ts';
import { newObject } from './new-object.ts';
import { demandEach, ofVersion } from './rights.ts';
import { tagsOf, type Tags } from './tags.ts';

/** CopyObject. */
export async function copyObject(call: S3Call): Promise<void> {
  const { core, key } = call;
  const [metadata, tagging] = ['x-amz-metadata-directive', 'x-amz-tagging-directive'].map(
    (header) => headerOf(call, header) ?? 'COPY',
  );
  if (![metadata, tagging].every((directive) => directive === 'COPY' || directive === 'REPLACE'))
    throw new S3Error('InvalidArgument', 'Unknown directive.');
  const algorithm = algorithmNamed(headerOf(call, 'x-amz-checksum-algorithm'));
  demandFullObject(headerOf(call, 'x-amz-checksum-type'));
  refuseChecksums((header) => headerOf(call, header));
  const source = await copySourceOf(call);
  const before = aboutOf(source.object);
  const tags = tagging === 'REPLACE' ? tagsOf(call) : copiedTags(call, source);
  const { allowed, about, lock } = await newObject(call, tags);
  const { bucket } = allowed;
  const unchanged = metadata === 'COPY' && tagging === 'COPY' && algorithm === undefined;
  if (unchanged && source.from.name === bucket.name && source.key === key && source.version === undefined) {
    throw new S3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  const { type, headers, meta } = metadata === 'COPY' ? before : about;
  const kept: About = { ...about, type, headers, meta, ...(await copiedChecksums(call, source, algorithm)) };
  // The ETag of a multipart object depends on its parts, so it cannot be recomputed.
  const { etag } = source.object.content!;
  const put = await core.objects.copy(allowed, { key, conditions: conditionsOf(call) }, source.blob.uuid, {
    etag,
    about: printAbout(kept),
    lock,
  });
  sendDocument(
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

/** The source's tags, if the caller may read them. @throws S3Error `AccessDenied` */
function copiedTags(call: S3Call, { from, key, version, object }: Source): Tags | undefined {
  const { tags } = aboutOf(object);
  const action = version ? ofVersion('GetObjectTagging') : 'GetObjectTagging';
  if (tags) demandEach(call, [action], from, { bucket: from.name, key, object, version });
  return tags;
}

/** The source's checksum, unless it has none or the request names another algorithm; then a full-object checksum. */
async function copiedChecksums(
  { core }: S3Call,
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

/** The copy source, if the caller may read it and its conditions hold. */
export async function copySourceOf(call: S3Call): Promise<Source> {
  const field = headerOf(call, 'x-amz-copy-source') ?? '';
  const [path = '', ...query] = field.replace(/^\//, '').split('?');
  const match = /^([^/]+)\/(.+)$/s.exec(safeDecode(path));
  if (!match)
    throw new S3Error('InvalidArgument', 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey');
  const id = /^versionId=(.*)$/.exec(query.join('?'))?.[1];
  if (query.length > 0 && id === undefined)
    throw invalidArgument('The only parameter of a copy source is versionId.', 'x-amz-copy-source', field);
  const version = id === undefined ? undefined : versionNamed(id);
  const [, bucket = '', key = ''] = match;
  const owner = headerOf(call, 'x-amz-source-expected-bucket-owner');
  const from = await call.buckets.get(bucket);
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
    // Reported below.
  }
  throw new S3Error('InvalidArgument', 'The copy source is not percent-encoded UTF-8, or has U+0000.');
}

function demandSource(call: S3Call, object: StoredObject): void {
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
