/** What S3 keeps with a version beside its bytes, as text that only this face reads. */
import type { StoredObject } from '../../core/model.ts';
import type { Acl } from './acl.ts';
import { headerOf, headersFrom, type Call } from './call.ts';
import { checksumHeaders, type Checksums } from './checksums.ts';
import { S3Error } from './errors.ts';
import { lockHeaders, type Retention } from './lock.ts';

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
  readonly retention?: Retention;
  readonly held?: boolean;
}

/** Headers that are kept and sent again. */
const kept = ['cache-control', 'content-disposition', 'content-encoding', 'content-language', 'expires'];
/** Bytes of names and values together. */
const mostMeta = 2048;

/** What a request says of the object that it brings. @throws S3Error `MetadataTooLarge`, `InvalidArgument` */
export function aboutFrom(call: Call): Pick<About, 'type' | 'headers' | 'meta'> {
  refuseUnknown(call);
  const headers: Record<string, string> = {};
  for (const name of kept) {
    const value = headerOf(call, name);
    if (value !== undefined) headers[name] = value;
  }
  // How the body was framed is nothing that is kept.
  const coding = headers['content-encoding']?.split(',').map((one) => one.trim()).filter((one) => one !== 'aws-chunked' && one !== '').join(', ');
  if (coding === '') delete headers['content-encoding'];
  else if (coding !== undefined) headers['content-encoding'] = coding;
  const meta = headersFrom(call, 'x-amz-meta-');
  const size = Object.entries(meta).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value, 'latin1'), 0);
  if (size > mostMeta) throw new S3Error('MetadataTooLarge', 'Your metadata headers exceed the maximum allowed metadata size', { Size: String(size), MaxSizeAllowed: String(mostMeta) });
  return { type: headerOf(call, 'content-type') ?? 'binary/octet-stream', headers, meta };
}

/** What this server cannot do it does not pass over. */
function refuseUnknown(call: Call): void {
  for (const name of ['x-amz-server-side-encryption', 'x-amz-server-side-encryption-customer-algorithm']) {
    if (headerOf(call, name) !== undefined) throw new S3Error('NotImplemented', 'This server does not encrypt what it keeps; encrypt the disk under it.');
  }
  if (headerOf(call, 'x-amz-website-redirect-location') !== undefined) throw new S3Error('NotImplemented', 'This server shows no websites.');
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
  const { owner: _, acl: __, tags: ___, retention: ____, held: _____, ...kept } = JSON.parse(text) as About;
  return printAbout({ ...kept, headers: {}, meta: {} });
}

export function aboutOf({ content }: StoredObject): About {
  return JSON.parse(content!.about) as About;
}

/** Headers of every answer that shows the object. */
export function objectHeaders(object: StoredObject, versioned: boolean): Record<string, string> {
  const about = aboutOf(object);
  const { type, headers, meta } = about;
  return {
    ...headers,
    'Content-Type': type,
    ...Object.fromEntries(Object.entries(meta).map(([name, value]) => [`x-amz-meta-${name}`, value])),
    ...(versioned || object.versionId !== null ? { 'x-amz-version-id': object.versionId ?? 'null' } : {}),
    ...lockHeaders(about),
    ...(about.tags && Object.keys(about.tags).length > 0 ? { 'x-amz-tagging-count': String(Object.keys(about.tags).length) } : {}),
  };
}

/** Checksums are of the whole object, and told with the whole alone. */
export function checksumHeadersOf(call: Call, object: StoredObject): Record<string, string> {
  if (headerOf(call, 'x-amz-checksum-mode')?.toUpperCase() !== 'ENABLED' || call.req.headers.range !== undefined) return {};
  const { checksums, checksumType } = aboutOf(object);
  return checksumHeaders(checksums, checksumType);
}
