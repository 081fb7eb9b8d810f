import type { TimePage } from '../../core/engine.ts';
import { Refusal } from '../../core/refusal.ts';
import type { Parameters } from '../../http/parameters.ts';

const usualLimit = 50;
const highestLimit = 200;

/**
 * The requested page: `limit` records from `offset`, or after `cursor`.
 *
 * @throws Refusal `malformed`
 */
export function pageOf(params: Parameters): TimePage {
  const limit = params.integer('limit', usualLimit);
  const offset = params.integer('offset');
  const cursor = params.maybeText('cursor');
  if (limit <= 0) throw bad('limit must be positive');
  if (limit > highestLimit) throw bad(`limit must be <= ${highestLimit}`);
  if (offset < 0) throw bad('offset must not be negative');
  return { limit, offset, behind: cursor === undefined ? null : placeOf(cursor) };
}

/** A page with the cursor of the next one. A cursor stays valid when records are added or removed. */
export async function paged<T>(
  page: TimePage,
  list: (page: TimePage) => Promise<readonly T[]>,
  place: (record: T) => NonNullable<TimePage['behind']>,
): Promise<{
  readonly found: readonly T[];
  readonly about: { readonly limit: number; readonly offset: number; readonly next_cursor: string | null };
}> {
  const found = await list({ ...page, limit: page.limit + 1 });
  const last = found.length > page.limit ? found[page.limit - 1] : undefined;
  const next = last && place(last);
  const cursor = next ? Buffer.from(JSON.stringify([next.at, next.id])).toString('base64url') : null;
  return { found: found.slice(0, page.limit), about: { limit: page.limit, offset: page.offset, next_cursor: cursor } };
}

function placeOf(cursor: string): NonNullable<TimePage['behind']> {
  try {
    const [at, id] = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as unknown[];
    if (Number.isSafeInteger(at) && typeof id === 'string') return { at: Number(at), id };
  } catch {
    // Not a cursor of this server.
  }
  throw bad('cursor is invalid');
}

/** A trimmed filter; undefined if it is absent or blank. */
export function filterOf(params: Parameters, name: string): string | undefined {
  return params.maybeText(name)?.trim() || undefined;
}

/** A text that must not be blank. */
export function required(field: string, text: string | null | undefined): string {
  const trimmed = text?.trim() ?? '';
  if (trimmed === '') throw bad(`${field} is required`);
  return trimmed;
}

/** Milliseconds as whole seconds. */
export function secondsOf(ms: number): number;
export function secondsOf(ms: number | null): number | null;
export function secondsOf(ms: number | null): number | null {
  return ms === null ? null : Math.floor(ms / 1000);
}

export function bad(sentence: string): Refusal {
  return new Refusal('malformed', sentence);
}
