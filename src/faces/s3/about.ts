/** S3 metadata of a version, stored as text that only this face reads. */
import type { StoredObject } from '../../core/records.ts';
import type { Acl } from './acl.ts';
import { isFieldName } from '../../http/header-fields.ts';
import { headerOf, keptHeader, keptHeaders, type S3Call } from './call.ts';
import { checksumHeaders, type Checksums } from './checksums.ts';
import { S3Error } from './errors.ts';

export interface About {
  readonly type: string;
  /** Stored response headers, by name. */
  readonly headers: Readonly<Record<string, string>>;
  /** User metadata, by name without `x-amz-meta-`. */
  readonly meta: Readonly<Record<string, string>>;
  readonly checksums: Checksums;
  readonly checksumType?: string;
  /** The parts of a multipart upload. */
  readonly parts?: readonly { readonly number: number; readonly size: number; readonly checksums: Checksums }[];
  /** The object's owner, if it is not the bucket's. */
  readonly owner?: string;
  /** The object's ACL. */
  readonly acl?: Acl;
  readonly tags?: Readonly<Record<string, string>>;
}

/** Request headers that are stored and sent with the object. */
const kept = ['cache-control', 'content-disposition', 'content-encoding', 'content-language', 'expires'];
/** Maximum bytes of user metadata, names and values. */
const mostMeta = 2048;
/** Maximum bytes of all stored headers: S3's limit for the header section of a PUT. */
const mostKept = 8192;

/**
 * The metadata in a request's headers, form fields or presigned URL.
 *
 * @throws S3Error `MetadataTooLarge`, `RequestHeaderSectionTooLarge`; Refusal `malformed` for an invalid header value
 */
export function aboutFrom(call: S3Call): Pick<About, 'type' | 'headers' | 'meta'> {
  demandStorageClass(call);
  const headers: Record<string, string> = {};
  for (const name of kept) {
    const value = keptHeader(call, name);
    if (value !== undefined) headers[name] = value;
  }
  // `aws-chunked` is the framing of the request, not the object's encoding.
  const coding = headers['content-encoding']
    ?.split(',')
    .map((one) => one.trim())
    .filter((one) => one !== 'aws-chunked' && one !== '')
    .join(', ');
  if (coding === '') delete headers['content-encoding'];
  else if (coding !== undefined) headers['content-encoding'] = coding;
  const meta = keptHeaders(call, 'x-amz-meta-');
  const type = keptHeader(call, 'content-type') ?? 'binary/octet-stream';
  const size = sizeOf(meta);
  if (size > mostMeta)
    throw new S3Error('MetadataTooLarge', 'Your metadata headers exceed the maximum allowed metadata size', {
      Size: String(size),
      MaxSizeAllowed: String(mostMeta),
    });
  if (size + sizeOf({ ...headers, type }) > mostKept) {
    throw new S3Error('RequestHeaderSectionTooLarge', 'Your request header section exceeds the maximum allowed size.', {
      MaxSizeAllowed: String(mostKept),
    });
  }
  return { type, headers, meta };
}

/** Bytes of names and values; a stored value has one character a byte. */
function sizeOf(fields: Readonly<Record<string, string>>): number {
  return Object.entries(fields).reduce((sum, [name, value]) => sum + name.length + value.length, 0);
}

/** @throws S3Error `InvalidStorageClass` for any class but STANDARD */
function demandStorageClass(call: S3Call): void {
  const storage = headerOf(call, 'x-amz-storage-class');
  if (storage !== undefined && storage !== 'STANDARD')
    throw new S3Error('InvalidStorageClass', undefined, { StorageClassRequested: storage });
}

export function printAbout(about: About): string {
  return JSON.stringify(about);
}

/** The facts of an object from another face. */
export function plainFacts(md5: string): { readonly etag: string; readonly about: string } {
  return { etag: md5, about: printAbout({ type: 'binary/octet-stream', headers: {}, meta: {}, checksums: {} }) };
}

/** The metadata of an object that a release pins: checksums, but no headers, owner, ACL or tags. */
export function pinnedAbout(text: string): string {
  const { owner: _, acl: __, tags: ___, ...kept } = JSON.parse(text) as About;
  return printAbout({ ...kept, headers: {}, meta: {} });
}

export function aboutOf({ content }: StoredObject): About {
  return JSON.parse(content!.about) as About;
}

/** Headers of every response with the object. */
export function objectHeaders(object: StoredObject, versioned: boolean): Record<string, string | number> {
  const about = aboutOf(object);
  const { type, headers, meta } = about;
  const missing = Object.keys(meta).filter((name) => !isFieldName(name)).length;
  return {
    ...headers,
    'Content-Type': type,
    ...Object.fromEntries(Object.entries(meta).map(([name, value]) => [`x-amz-meta-${name}`, value])),
    ...(missing > 0 ? { 'x-amz-missing-meta': missing } : {}),
    ...(versioned || object.versionId !== null ? { 'x-amz-version-id': object.versionId ?? 'null' } : {}),
    ...lockHeaders(object),
    ...(about.tags && Object.keys(about.tags).length > 0
      ? { 'x-amz-tagging-count': String(Object.keys(about.tags).length) }
      : {}),
  };
}

/** Checksums cover the whole object, so they are not sent for a range. */
export function checksumHeadersOf(call: S3Call, object: StoredObject): Record<string, string> {
  if (headerOf(call, 'x-amz-checksum-mode')?.toUpperCase() !== 'ENABLED' || call.req.headers.range !== undefined)
    return {};
  const { checksums, checksumType } = aboutOf(object);
  return checksumHeaders(checksums, checksumType);
}

/** Object lock headers. */
function lockHeaders({ content }: StoredObject): Record<string, string> {
  const { retention = null, held = null } = content ?? {};
  return {
    ...(retention
      ? {
          'x-amz-object-lock-mode': retention.mode,
          'x-amz-object-lock-retain-until-date': new Date(retention.until).toISOString(),
        }
      : {}),
    ...(held === null ? {} : { 'x-amz-object-lock-legal-hold': held ? 'ON' : 'OFF' }),
  };
}
