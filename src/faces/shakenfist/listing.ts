import { once } from 'node:events';
import { ANSWERED, type OwnedCall } from '../../http/routes.ts';

/** Records fetched, rendered and written at a time. */
const batch = 500;

interface Page {
  readonly after: string | null;
  readonly limit: number;
}

export interface Listing<T> {
  /** Returns a page of records in the listing's order. */
  readonly page: (page: Page) => Promise<T[]>;
  readonly keyOf: (record: T) => string;
  /** The JSON of the records, in the same order. */
  readonly views: (records: readonly T[]) => Promise<unknown[]>;
}

/**
 * Sends a JSON array. With `limit` it is one page, with a `Link` to the next. Without, it is everything, written page
 * by page to bound memory.
 */
export async function list<T>(call: OwnedCall, listing: Listing<T>): Promise<typeof ANSWERED | unknown[]> {
  const limit = call.params.maybeInteger('limit');
  const after = call.params.maybeText('after') ?? null;
  return limit === undefined ? everything(call, listing, after) : onePage(call, listing, { after, limit });
}

async function onePage<T>(
  call: OwnedCall,
  listing: Listing<T>,
  page: { after: string | null; limit: number },
): Promise<unknown[]> {
  const records = await listing.page({ after: page.after, limit: page.limit + 1 });
  const shown = records.slice(0, page.limit);
  if (records.length > page.limit) {
    const next = new URLSearchParams(call.req.query as Record<string, string>);
    next.set('limit', String(page.limit));
    next.set('after', listing.keyOf(shown.at(-1)!));
    call.res.setHeader('Link', `<${call.req.path}?${next.toString()}>; rel="next"`);
  }
  return listing.views(shown);
}

async function everything<T>(call: OwnedCall, listing: Listing<T>, from: string | null): Promise<typeof ANSWERED> {
  const { res } = call;
  let after = from;
  let opened = false;
  for (;;) {
    const records = await listing.page({ after, limit: batch });
    const views = await listing.views(records);
    if (!opened) res.writeHead(200, { 'Content-Type': 'application/json; charset=utf-8', 'Cache-Control': 'no-store' });
    const text = views.map((view) => JSON.stringify(view)).join(',');
    const taken = res.write(opened ? text && `,${text}` : `[${text}`);
    opened = true;
    if (records.length < batch) break;
    if (!taken && !res.destroyed) await Promise.race([once(res, 'drain'), once(res, 'close')]);
    if (res.destroyed) return ANSWERED;
    after = listing.keyOf(records.at(-1)!);
  }
  res.end(']');
  return ANSWERED;
}
