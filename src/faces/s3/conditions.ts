import type { IncomingHttpHeaders } from 'node:http';
import type { ObjectConditions } from '../../core/model.ts';
import { headerOf, type Call } from './call.ts';
import { S3Error } from './errors.ts';

/** What must hold of the newest version for a change to be made. */
export function conditionsOf(call: Call): ObjectConditions {
  const [match, noneMatch] = ['if-match', 'if-none-match'].map((name) => headerOf(call, name));
  return { match: tagsOf(match), noneMatch: tagsOf(noneMatch?.replaceAll('W/"', '"')) };
}

/** The conditions of a GET or HEAD, whose tags clients of S3 send with quotes and without. */
export function conditionsOfRead(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const quoted = { ...headers };
  for (const name of ['if-match', 'if-none-match'] as const) {
    if (headers[name] !== undefined) quoted[name] = headers[name].split(',').map(quote).join(', ');
  }
  const range = headers['if-range'];
  // A date has spaces or a comma, and no tag has.
  if (typeof range === 'string' && !/[ ,]/.test(range.trim())) quoted['if-range'] = quote(range);
  return quoted;
}

function quote(item: string): string {
  const tag = item.trim();
  return tag === '*' || tag === '' || tag.includes('"') ? tag : `"${tag}"`;
}

/** What must hold of a version for it to be deleted. */
export function deletionConditionsOf(call: Call): ObjectConditions {
  const names: Readonly<Record<string, string>> = { ETag: 'if-match', LastModifiedTime: 'x-amz-if-match-last-modified-time', Size: 'x-amz-if-match-size' };
  return conditionsOfDeletion((name) => headerOf(call, names[name]!));
}

/** The same from a document that names many. */
export function conditionsOfDeletion(value: (name: 'ETag' | 'LastModifiedTime' | 'Size') => string | undefined): ObjectConditions {
  const [etag, modified, size] = (['ETag', 'LastModifiedTime', 'Size'] as const).map(value);
  const at = modified === undefined ? undefined : Date.parse(modified);
  if ((at !== undefined && Number.isNaN(at)) || (size !== undefined && !/^\d{1,15}$/.test(size))) throw new S3Error('InvalidArgument', 'A condition of the deletion is not readable.');
  return { match: tagsOf(etag), modifiedAt: at === undefined ? undefined : Math.floor(at / 1000), size: size === undefined ? undefined : Number(size) };
}

/** The version that the query names; undefined for the newest. */
export function versionOf({ query }: Call): { readonly id: string | null } | undefined {
  const id = query.get('versionId');
  if (id === undefined) return undefined;
  if (id === '') throw new S3Error('InvalidArgument', 'Version id cannot be the empty string');
  return { id: id === 'null' ? null : id };
}

function tagsOf(field: string | undefined): string[] | undefined {
  return field?.split(',').map((tag) => tag.trim().replace(/^"(.*)"$/, '$1'));
}
