import type { Page } from './engine.ts';

/** Records of one page; between two pages others get their turn. */
const batch = 200;

/** All records of a listing by id, page after page. */
export async function* pages<T extends { readonly id: string }>(list: (page: Page) => Promise<T[]>): AsyncIterable<T> {
  let after: string | null = null;
  for (;;) {
    const page: T[] = await list({ after, limit: batch });
    yield* page;
    if (page.length < batch) return;
    after = page.at(-1)!.id;
  }
}
