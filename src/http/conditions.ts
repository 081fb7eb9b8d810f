/** Conditional requests, in the order of RFC 9110 section 13.2.2. */
import type { IncomingHttpHeaders } from 'node:http';

/** The validators of a representation. */
export interface Validators {
  /** A strong entity tag, including quotes. */
  readonly etag: string;
  /** Milliseconds since the epoch. */
  readonly modifiedAt: number;
}

export type Verdict = 'go' | 'not_modified' | 'failed';

/** Evaluates the conditions of a GET or HEAD. */
export function evaluateConditions(headers: IncomingHttpHeaders, validators: Validators): Verdict {
  const match = headers['if-match'];
  if (match !== undefined) {
    if (!names(match, validators.etag, 'strong')) return 'failed';
  } else {
    const since = dateOf(headers['if-unmodified-since']);
    if (since !== undefined && seconds(validators.modifiedAt) > since) return 'failed';
  }
  const noneMatch = headers['if-none-match'];
  if (noneMatch !== undefined) return names(noneMatch, validators.etag, 'weak') ? 'not_modified' : 'go';
  const since = dateOf(headers['if-modified-since']);
  return since !== undefined && seconds(validators.modifiedAt) <= since ? 'not_modified' : 'go';
}

/** Whether `Range` applies: always without `If-Range`, else only if its validator matches. */
export function rangeCounts(headers: IncomingHttpHeaders, validators: Validators): boolean {
  const field = headers['if-range'];
  if (field === undefined) return true;
  const condition = (Array.isArray(field) ? field.join(',') : field).trim();
  if (condition.startsWith('"')) return condition === validators.etag;
  return dateOf(condition) === seconds(validators.modifiedAt);
}

function names(list: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  return list.split(',').some((item) => {
    const tag = item.trim();
    return tag === '*' || tag === etag || (comparison === 'weak' && tag === `W/${etag}`);
  });
}

/** Seconds of an HTTP date; undefined for anything else, which must be ignored. */
function dateOf(field: string | undefined): number | undefined {
  if (field === undefined || !/^[A-Z][a-z]{2,8}[, ]/.test(field)) return undefined;
  const ms = Date.parse(field);
  return Number.isNaN(ms) ? undefined : seconds(ms);
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}
