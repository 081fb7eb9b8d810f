import type { Page } from '../../core/engine.ts';

/** All records of a listing, which here are few. */
export async function everything<T>(list: (page: Page) => Promise<readonly T[]>, cursor: (record: T) => string): Promise<T[]> {
  const found: T[] = [];
  const limit = 500;
  for (let after: string | null = null; ;) {
    const page: readonly T[] = await list({ after, limit });
    found.push(...page);
    if (page.length < limit) return found;
    after = cursor(page.at(-1)!);
  }
}
