/** Paged listings. */
import { readJson, type ApiCall, type Session } from './session.ts';
import { views, type Kind, type view } from './views.ts';

/** Records in one page. */
const pageSize = 500;

/** All records of the listing at `path`. Fetches each page on demand. */
export async function* listed<K extends Kind>(
  session: Session,
  kind: K,
  path: readonly string[],
  query: ApiCall['query'] = {},
  signal?: AbortSignal,
): AsyncGenerator<ReturnType<typeof view<K>>> {
  let after: string | undefined;
  do {
    const call: ApiCall = { method: 'GET', path, query: { ...query, limit: pageSize, after }, signal };
    const page = await session.ask(call, async (answer) => ({
      records: await readJson(answer),
      link: answer.header('link'),
    }));
    yield* views(kind, page.records);
    after = nextOf(page.link);
  } while (after !== undefined);
}

/** The cursor in a `Link: <...?after=...>; rel="next"` header. */
export function nextOf(link: string | undefined): string | undefined {
  for (const part of link?.split(/,\s*(?=<)/) ?? []) {
    const match = /^<([^>]*)>.*;\s*rel="?next"?/.exec(part);
    const query = match?.[1]?.split('?')[1];
    const after = query === undefined ? null : new URLSearchParams(query).get('after');
    if (after) return after;
  }
  return undefined;
}
