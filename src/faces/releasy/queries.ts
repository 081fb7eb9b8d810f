import type { TimePage } from '../../core/engine.ts';
import { Refusal } from '../../core/refusal.ts';
import type { Parameters } from '../../http/parameters.ts';

const usualLimit = 50;
const highestLimit = 200;

/**
 * Which part of a list is asked for: `limit` of it, from `offset`, or behind `cursor`.
 *
 * @throws Refusal `malformed`
 */
export function pageOf(given: Parameters): TimePage {
  const limit = given.integer('limit', usualLimit);
  const offset = given.integer('offset');
  const cursor = given.maybeText('cursor');
  if (limit <= 0) throw bad('limit must be positive');
  if (limit > highestLimit) throw bad(`limit must be <= ${highestLimit}`);
  if (offset < 0) throw bad('offset must not be negative');
  return { limit, offset, behind: cursor === undefined ? null : placeOf(cursor) };
}

/** A page of a list, with what leads to the next one: a place in the list, which stays where it is when others are added or go. */
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
    // Not one of ours.
  }
  throw bad('cursor is invalid');
}

/** What a list is narrowed down to; undefined where no filter is given, or a blank one. */
export function filterOf(given: Parameters, name: string): string | undefined {
  return given.maybeText(name)?.trim() || undefined;
}

/** A text that must say something. */
export function required(field: string, text: string | null | undefined): string {
  const trimmed = text?.trim() ?? '';
  if (trimmed === '') throw bad(`${field} is required`);
  return trimmed;
}

/** A moment as this API has it. */
export function secondsOf(ms: number): number;
export function secondsOf(ms: number | null): number | null;
export function secondsOf(ms: number | null): number | null {
  return ms === null ? null : Math.floor(ms / 1000);
}

export function bad(sentence: string): Refusal {
  return new Refusal('malformed', sentence);
}
