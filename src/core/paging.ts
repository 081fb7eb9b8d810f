import type { Page } from './engine.ts';

/** Records of a page; other requests run between pages. */
const limit = 200;

/** All records of a listing, page by page. @param cursorOf the listing's cursor for a record */
export async function* pages<T>(
  list: (page: Page) => Promise<readonly T[]>,
  cursorOf: (record: T) => string,
): AsyncIterable<T> {
  for (let after: string | null = null; ;) {
    const page: readonly T[] = await list({ after, limit });
    yield* page;
    if (page.length < limit) return;
    after = cursorOf(page.at(-1)!);
  }
}

/** All records of a listing that is known to be short. */
export async function everything<T>(...listing: Parameters<typeof pages<T>>): Promise<T[]> {
  const found: T[] = [];
  for await (const record of pages(...listing)) found.push(record);
  return found;
}
