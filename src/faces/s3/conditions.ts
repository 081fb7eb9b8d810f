import type { IncomingHttpHeaders } from 'node:http';
import type { ObjectConditions } from '../../core/records.ts';
import { isVersionId } from '../../core/names/objects.ts';
import { headerOf, type S3Call } from './call.ts';
import type { ObjectToDelete } from './documents.ts';
import { invalidArgument } from './errors.ts';

/** Conditions on the newest version for a write. */
export function conditionsOf(call: S3Call): ObjectConditions {
  const [match, noneMatch] = ['if-match', 'if-none-match'].map((name) => headerOf(call, name));
  return { match: tagsOf(match), noneMatch: tagsOf(noneMatch?.replaceAll('W/"', '"')) };
}

/** The conditions of a GET or HEAD. S3 clients send tags with and without quotes. */
export function conditionsOfRead(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const quoted = { ...headers };
  for (const name of ['if-match', 'if-none-match'] as const) {
    if (headers[name] !== undefined) quoted[name] = headers[name].split(',').map(quote).join(', ');
  }
  const range = headers['if-range'];
  // A date contains spaces or a comma; a tag does not.
  if (typeof range === 'string' && !/[ ,]/.test(range.trim())) quoted['if-range'] = quote(range);
  return quoted;
}

function quote(item: string): string {
  const tag = item.trim();
  return tag === '*' || tag === '' || tag.includes('"') ? tag : `"${tag}"`;
}

/** Conditions on a version for its deletion. */
export function deletionConditionsOf(call: S3Call): ObjectConditions {
  const [modified, size] = ['x-amz-if-match-last-modified-time', 'x-amz-if-match-size'].map((name) =>
    headerOf(call, name),
  );
  const at = modified === undefined ? undefined : Date.parse(modified);
  if (at !== undefined && Number.isNaN(at))
    throw invalidArgument('The condition must be a time.', 'x-amz-if-match-last-modified-time', modified!);
  if (size !== undefined && !/^\d{1,15}$/.test(size))
    throw invalidArgument('The condition must be a number of bytes.', 'x-amz-if-match-size', size);
  return conditionsOfDeletion({
    ETag: headerOf(call, 'if-match'),
    LastModifiedTime: at,
    Size: size === undefined ? undefined : Number(size),
  });
}

/** The same from a DeleteObjects document. */
export function conditionsOfDeletion({
  ETag,
  LastModifiedTime: at,
  Size,
}: Pick<ObjectToDelete, 'ETag' | 'LastModifiedTime' | 'Size'>): ObjectConditions {
  return { match: tagsOf(ETag), modifiedAt: at === undefined ? undefined : Math.floor(at / 1000), size: Size };
}

/** The version in the query; undefined for the newest. */
export function versionOf({ query }: S3Call): { readonly id: string | null } | undefined {
  const id = query.get('versionId');
  return id === undefined ? undefined : versionNamed(id);
}

/** @throws S3Error `InvalidArgument` for an invalid version id */
export function versionNamed(id: string): { readonly id: string | null } {
  if (id === '') throw invalidArgument('Version id cannot be the empty string', 'versionId', id);
  if (id !== 'null' && !isVersionId(id)) throw invalidArgument('Invalid version id specified', 'versionId', id);
  return { id: id === 'null' ? null : id };
}

function tagsOf(field: string | undefined): string[] | undefined {
  return field?.split(',').map((tag) => tag.trim().replace(/^"(.*)"$/, '$1'));
}
