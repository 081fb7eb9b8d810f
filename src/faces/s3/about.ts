/** What S3 keeps with a version beside its bytes, as text that only this face reads. */
import type { StoredObject } from '../../core/records.ts';
import type { Acl } from './acl.ts';
import { isFieldName } from '../../http/header-fields.ts';
import { headerOf, keptHeader, keptHeaders, type Call } from './call.ts';
import { checksumHeaders, type Checksums } from './checksums.ts';
import { S3Error } from './errors.ts';

export interface About {
  readonly type: string;
  /** Headers to send with it, by name. */
  readonly headers: Readonly<Record<string, string>>;
  /** What its owner noted, by name without `x-amz-meta-`. */
  readonly meta: Readonly<Record<string, string>>;
  readonly checksums: Checksums;
  readonly checksumType?: string;
  /** The parts that it came in. */
  readonly parts?: readonly { readonly number: number; readonly size: number; readonly checksums: Checksums }[];
  /** Whose it is, where that is not the bucket's owner. */
  readonly owner?: string;
  /** Who else may do what with it. */
  readonly acl?: Acl;
  readonly tags?: Readonly<Record<string, string>>;
}

/** Headers that are kept and sent again. */
const kept = ['cache-control', 'content-disposition', 'content-encoding', 'content-language', 'expires'];
/** Bytes of names and values together. */
const mostMeta = 2048;
/** The same of all that is kept, which is what S3 takes as the header section of a PUT. */
const mostKept = 8192;

/**
 * What a request says of the object that it brings, in headers, form fields or a presigned URL.
 *
 * @throws S3Error `MetadataTooLarge`, `RequestHeaderSectionTooLarge`; Refusal `malformed` for what no header can hold
 */
export function aboutFrom(call: Call): Pick<About, 'type' | 'headers' | 'meta'> {
  demandStorageClass(call);
  const headers: Record<string, string> = {};
  for (const name of kept) {
    const value = keptHeader(call, name);
    if (value !== undefined) headers[name] = value;
  }
  // How the body was framed is nothing that is kept.
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

/** @throws S3Error `InvalidStorageClass` for any but the one that there is. */
function demandStorageClass(call: Call): void {
  const storage = headerOf(call, 'x-amz-storage-class');
  if (storage !== undefined && storage !== 'STANDARD')
    throw new S3Error('InvalidStorageClass', undefined, { StorageClassRequested: storage });
}

export function printAbout(about: About): string {
  return JSON.stringify(about);
}

/** What is kept with an object that came by another face. */
export function plainFacts(md5: string): { readonly etag: string; readonly about: string } {
  return { etag: md5, about: printAbout({ type: 'binary/octet-stream', headers: {}, meta: {}, checksums: {} }) };
}

/** What is kept of an object that a release pins: its bytes and their checksums. What its uploader said of it is of the object alone. */
export function pinnedAbout(text: string): string {
  const { owner: _, acl: __, tags: ___, ...kept } = JSON.parse(text) as About;
  return printAbout({ ...kept, headers: {}, meta: {} });
}

export function aboutOf({ content }: StoredObject): About {
  return JSON.parse(content!.about) as About;
}

/** Headers of every answer that shows the object. */
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

/** Checksums are of the whole object, and told with the whole alone. */
export function checksumHeadersOf(call: Call, object: StoredObject): Record<string, string> {
  if (headerOf(call, 'x-amz-checksum-mode')?.toUpperCase() !== 'ENABLED' || call.req.headers.range !== undefined)
    return {};
  const { checksums, checksumType } = aboutOf(object);
  return checksumHeaders(checksums, checksumType);
}

/** Headers that tell of it. */
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
