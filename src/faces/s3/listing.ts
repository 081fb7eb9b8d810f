/** Bucket listings: pages of keys in UTF-8 order, with common prefixes at a delimiter. */
import type { EntriesPage } from '../../core/engine.ts';
import type { StoredObject } from '../../core/records.ts';
import { aboutOf } from './about.ts';
import { ownerElement } from './acl.ts';
import { versionNamed } from './conditions.ts';
import { sendDocument, headerOf, type S3Call } from './call.ts';
import { invalidArgument, S3Error } from './errors.ts';
import { allow, type AllowedTo } from './rights.ts';
import { encode } from './signing/canonical.ts';
import { elements, type Elements, type Xml } from './xml.ts';

/** Sorts after every character. */
const last = '\u{10ffff}';
const mostKeys = 1000;

interface Wish {
  readonly prefix: string;
  readonly delimiter: string;
  readonly max: number;
  /** The page begins after this key or common prefix. */
  readonly after: string | null;
}

type Entry<T> =
  | { readonly kind: 'object'; readonly key: string; readonly object: T }
  | { readonly kind: 'prefix'; readonly key: string };

interface Page<T> {
  readonly entries: readonly Entry<T>[];
  /** The last entry of a page, if another page follows. */
  readonly next: Entry<T> | undefined;
}

/** Entries read at a time, so that a listing does not block the catalog. */
const chunk = 100;

/** A common prefix computed by the catalog. */
interface Rolled {
  readonly key: string;
  readonly rolled: true;
}

/** Reads objects after a key, in order. */
type Fetch<T> = (after: string | null, limit: number) => Promise<readonly ((T & { readonly key: string }) | Rolled)[]>;

/**
 * A page of objects and common prefixes.
 *
 * If the catalog does not group keys itself, only few are read after a common prefix, because the next may be another
 * prefix; the number doubles until one appears. So unused reads are proportional to the entries returned.
 */
export async function roll<T>(
  { prefix, delimiter, max, after }: Wish,
  fetch: Fetch<T>,
  byCatalog = false,
): Promise<Page<T>> {
  // The delimiter to group by here.
  const mark = byCatalog ? '' : delimiter;
  const entries: Entry<T>[] = [];
  let cursor = after !== null && isRolled(after, prefix, mark) ? after + last : after;
  let step = mark === '' ? chunk : 1;
  while (entries.length <= max) {
    const limit = Math.min(step, chunk, max + 1 - entries.length);
    step *= 2;
    const found = await fetch(cursor, limit);
    const at = found.findIndex(({ key }) => commonOf(key, prefix, mark) !== undefined);
    entries.push(...(at < 0 ? found : found.slice(0, at)).map(entryOf));
    if (at >= 0) {
      const common = commonOf(found[at]!.key, prefix, mark)!;
      if (!isPrefix(entries.at(-1), common)) entries.push({ kind: 'prefix', key: common });
      // Skips the rest of the keys with this prefix.
      cursor = common + last;
      step = 1;
    } else if (found.length < limit) {
      break;
    } else {
      cursor = found.at(-1)!.key;
    }
  }
  const kept = entries.slice(0, max);
  return { entries: kept, next: entries.length > max ? kept.at(-1) : undefined };
}

function entryOf<T>(one: (T & { readonly key: string }) | Rolled): Entry<T> {
  return 'rolled' in one ? { kind: 'prefix', key: one.key } : { kind: 'object', key: one.key, object: one };
}

function isPrefix(entry: Entry<unknown> | undefined, key: string): boolean {
  return entry?.kind === 'prefix' && entry.key === key;
}

/** A page that the catalog groups. */
async function rollInCatalog(
  call: S3Call,
  allowed: AllowedTo<'ListBucket' | 'ListBucketVersions'>,
  wish: Wish,
  { versions, behind: begin }: Pick<EntriesPage, 'versions' | 'behind'>,
): Promise<Page<StoredObject>> {
  const { prefix, delimiter, max } = wish;
  if (max === 0) return { entries: [], next: undefined };
  let behind = begin;
  return roll<StoredObject>(
    wish,
    async (after, limit) => {
      const found = await call.core.objects.entries(allowed, {
        prefix,
        delimiter,
        after,
        limit,
        versions,
        behind,
      });
      const end = found.at(-1);
      // A key may have several versions, so continue after the last version seen, not after its key.
      behind = versions && end?.object ? { key: end.key, index: end.object.index } : null;
      return found.map(({ key, object }) => object ?? { key, rolled: true });
    },
    true,
  );
}

function commonOf(key: string, prefix: string, delimiter: string): string | undefined {
  if (delimiter === '') return undefined;
  const at = key.indexOf(delimiter, prefix.length);
  return at < 0 ? undefined : key.slice(0, at + delimiter.length);
}

function isRolled(key: string, prefix: string, delimiter: string): boolean {
  return commonOf(key, prefix, delimiter) === key;
}

/** ListObjects. */
export async function listObjects(call: S3Call): Promise<void> {
  const { query, bucket } = call;
  const wish = { ...wishOf(call), after: query.get('marker') || null };
  const page = await objectsOf(call, wish);
  const shown = encoderOf(call);
  sendDocument(call, 'ListBucketResult', {
    Name: bucket,
    Prefix: wish.prefix,
    Marker: shown(wish.after ?? ''),
    MaxKeys: wish.max,
    Delimiter: wish.delimiter === '' ? undefined : shown(wish.delimiter),
    EncodingType: query.get('encoding-type'),
    IsTruncated: page.next !== undefined,
    NextMarker: page.next && wish.delimiter !== '' ? shown(page.next.key) : undefined,
    ...contents(page, shown, true),
  });
}

export async function listObjectsV2(call: S3Call): Promise<void> {
  const { query, bucket } = call;
  const token = query.get('continuation-token');
  const startAfter = query.get('start-after') || undefined;
  const wish = { ...wishOf(call), after: !token ? (startAfter ?? null) : readToken(token) };
  const page = await objectsOf(call, wish);
  const shown = encoderOf(call);
  sendDocument(call, 'ListBucketResult', {
    Name: bucket,
    Prefix: shown(wish.prefix),
    MaxKeys: wish.max,
    Delimiter: wish.delimiter === '' ? undefined : shown(wish.delimiter),
    EncodingType: query.get('encoding-type'),
    KeyCount: page.entries.length,
    IsTruncated: page.next !== undefined,
    ContinuationToken: token,
    NextContinuationToken: page.next && printToken(page.next.key),
    StartAfter: startAfter && shown(startAfter),
    ...contents(page, shown, query.get('fetch-owner') === 'true'),
  });
}

async function objectsOf(call: S3Call, wish: Wish): Promise<Page<StoredObject>> {
  return rollInCatalog(call, await allow(call, 'ListBucket'), wish, { versions: false, behind: null });
}

function contents(page: Page<StoredObject>, shown: (text: string) => string, owner: boolean): Elements {
  return {
    Contents: page.entries.flatMap((entry) => (entry.kind === 'object' ? [contentOf(entry.object, shown, owner)] : [])),
    CommonPrefixes: page.entries.flatMap((entry) =>
      entry.kind === 'prefix' ? [elements({ Prefix: shown(entry.key) })] : [],
    ),
  };
}

function contentOf(object: StoredObject, shown: (text: string) => string, owner: boolean): Xml {
  return elements({
    Key: shown(object.key),
    LastModified: new Date(object.createdAt).toISOString(),
    ETag: `"${object.content!.etag}"`,
    ...checksumKind(object),
    Size: object.content!.size,
    StorageClass: 'STANDARD',
    Owner: owner ? ownerElement(aboutOf(object).owner ?? object.namespace) : undefined,
  });
}

/** Listings report the algorithm of the checksum, not its value. */
function checksumKind(object: StoredObject): Elements {
  const { checksums, checksumType } = aboutOf(object);
  const [algorithm] = Object.keys(checksums);
  return algorithm === undefined
    ? {}
    : { ChecksumAlgorithm: algorithm.toUpperCase(), ChecksumType: checksumType ?? 'FULL_OBJECT' };
}

/** ListObjectVersions. */
export async function listVersions(call: S3Call): Promise<void> {
  const { query, bucket } = call;
  const allowed = await allow(call, 'ListBucketVersions');
  const keyMarker = query.get('key-marker') || null;
  const idMarker = query.get('version-id-marker') || undefined;
  const behind = idMarker === undefined ? null : await versionAt(call, keyMarker, idMarker);
  const wish = { ...wishOf(call), after: keyMarker };
  const page = await rollInCatalog(call, allowed, wish, { versions: true, behind });
  const shown = encoderOf(call);
  const next = page.next?.kind === 'object' ? page.next.object : undefined;
  sendDocument(call, 'ListVersionsResult', {
    Name: bucket,
    Prefix: shown(wish.prefix),
    KeyMarker: shown(keyMarker ?? ''),
    VersionIdMarker: idMarker ?? '',
    MaxKeys: wish.max,
    Delimiter: wish.delimiter === '' ? undefined : shown(wish.delimiter),
    EncodingType: query.get('encoding-type'),
    IsTruncated: page.next !== undefined,
    NextKeyMarker: page.next && shown(page.next.key),
    NextVersionIdMarker: next && (next.versionId ?? 'null'),
    ...versionElements(page, shown),
  });
}

/** The version at two markers; null if there is none. @throws S3Error `InvalidArgument` */
async function versionAt({ core, bucket }: S3Call, key: string | null, id: string): Promise<EntriesPage['behind']> {
  if (key === null)
    throw new S3Error('InvalidArgument', 'A version-id marker cannot be specified without a key marker.');
  const found = await core.objects.peek(bucket, key, versionNamed(id));
  return found ? { key: found.key, index: found.index } : null;
}

/** Versions and delete markers, each in listing order. */
function versionElements(page: Page<StoredObject>, shown: (text: string) => string): Elements {
  const of = (marks: boolean): Xml[] =>
    page.entries.flatMap((entry) =>
      entry.kind === 'object' && (entry.object.content === null) === marks ? [versionOf(entry.object, shown)] : [],
    );
  return {
    Version: of(false),
    DeleteMarker: of(true),
    CommonPrefixes: page.entries.flatMap((entry) =>
      entry.kind === 'prefix' ? [elements({ Prefix: shown(entry.key) })] : [],
    ),
  };
}

function versionOf(object: StoredObject, shown: (text: string) => string): Xml {
  const { content } = object;
  return elements({
    Key: shown(object.key),
    VersionId: object.versionId ?? 'null',
    IsLatest: object.current,
    LastModified: new Date(object.createdAt).toISOString(),
    ETag: content ? `"${content.etag}"` : undefined,
    ...(content ? checksumKind(object) : {}),
    Size: content?.size,
    StorageClass: content ? 'STANDARD' : undefined,
    Owner: ownerElement((content && aboutOf(object).owner) ?? object.namespace),
  });
}

/** The parameters of a listing. @throws S3Error `InvalidArgument` */
export function wishOf(call: S3Call, limit = 'max-keys'): Omit<Wish, 'after'> {
  const { query } = call;
  const encoding = query.get('encoding-type');
  if (encoding !== undefined && encoding !== 'url')
    throw invalidArgument('Invalid Encoding Method specified in Request', 'encoding-type', encoding);
  const optional = headerOf(call, 'x-amz-optional-object-attributes');
  // Objects here have no restore status.
  if (optional !== undefined && optional !== 'RestoreStatus')
    throw invalidArgument('Invalid attribute name specified.', 'x-amz-optional-object-attributes', optional);
  return {
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    max: maxOf(query.get(limit), limit),
  };
}

/** The page size. @throws S3Error unless it is a number */
export function maxOf(text: string | undefined, name: string, most = mostKeys): number {
  if (text === undefined || text === '') return mostKeys;
  if (/^-\d+$/.test(text))
    throw invalidArgument(`Argument ${name} must be an integer between 0 and 2147483647`, name, text);
  if (!/^\d{1,10}$/.test(text) || Number(text) > 2_147_483_647)
    throw invalidArgument(`Provided ${name} not an integer or within integer range`, name, text);
  return Math.min(Number(text), most);
}

/** Encodes keys if the client asks for it, because keys may contain characters that XML does not allow. */
export function encoderOf({ query }: S3Call): (text: string) => string {
  if (query.get('encoding-type') !== 'url') return (text) => text;
  return (text) => encode(text).replaceAll('%2F', '/');
}

function printToken(key: string): string {
  return Buffer.from(key, 'utf8').toString('base64url');
}

function readToken(token: string): string {
  const key = Buffer.from(token, 'base64url').toString('utf8');
  if (printToken(key) !== token) throw new S3Error('InvalidArgument', 'The continuation token provided is incorrect');
  return key;
}
