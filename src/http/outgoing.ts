import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Core } from '../core/index.ts';
import { Refusal } from '../core/refusal.ts';
import { parseRange } from '../kit/range.ts';
import { send } from './answering.ts';
import { judge, rangeCounts, type Validators } from './conditions.ts';
import { setFields } from './header-fields.ts';
import type { Lifetime } from './lifetime.ts';

/** Opened bytes. */
export interface Bytes {
  /** Bytes `from` up to `to`; throws when there are fewer. */
  read(from: number, to: number): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** What is to be sent, before any byte of it is read. */
export interface Representation extends Validators {
  readonly size: number;
  /** Headers of every answer about it, with or without bytes. */
  readonly headers: Readonly<Record<string, string | number>>;
  /** Headers of answers that have all of it. */
  readonly wholeHeaders?: Readonly<Record<string, string>>;
  /** Whether a whole answer tells its length, as some clients need it. */
  readonly counted?: boolean;
  /** Opens the bytes. */
  open(): Promise<Bytes>;
}

/** Which bytes of it are asked for in the query, beside any `Range`. */
export interface Window {
  readonly offset: number;
  /** How many at most; 0 means all. */
  readonly limit: number;
}

/** Bytes `from` up to `to`, which the request names by a number that they have: they are sent as a range is. */
export interface NumberedPart {
  readonly from: number;
  readonly to: number;
}

export interface SendingOptions {
  readonly core: Pick<Core, 'usage'>;
  readonly lifetime: Lifetime;
  /** On whose account they are sent. */
  readonly namespace: string;
  /** The conditions of the request, where the face reads them in a way of its own. */
  readonly conditions?: IncomingHttpHeaders;
}

interface Plan {
  readonly status: 200 | 206;
  readonly from: number;
  readonly to: number;
}

/**
 * Sends bytes, or what the request's conditions ask for instead.
 *
 * Whole answers are chunked unless they must be counted: only then can every client tell a cut connection from the end.
 * For the same reason an error of the disk, and bytes that are not the right ones, end the connection and never the answer.
 *
 * @throws Refusal `over_quota`, `precondition` or `out_of_range`, and what `open` throws; nothing was sent then.
 */
export async function sendBytes(
  req: IncomingMessage,
  res: ServerResponse,
  what: Representation,
  window: Window | NumberedPart,
  options: SendingOptions,
): Promise<void> {
  if (req.method === 'GET') await options.core.usage.demandTransfer(options.namespace);
  const conditions = options.conditions ?? req.headers;
  const verdict = judge(conditions, what);
  if (verdict === 'failed') throw new Refusal('precondition', 'a precondition of the request failed');
  const headers = {
    ...what.headers,
    ETag: what.etag,
    'Last-Modified': new Date(what.modifiedAt).toUTCString(),
    'Accept-Ranges': 'bytes',
  };
  if (verdict === 'not_modified') {
    send(req, res, { status: 304, headers });
    return;
  }
  const plan = 'from' in window ? partPlan(window) : planOf(conditions, what, window);
  const reader = await what.open();
  let chunks: AsyncIterator<Uint8Array> | undefined;
  try {
    // The first bytes are read before the head goes: until then a refusal can be told as one.
    chunks =
      req.method === 'HEAD' || plan.from === plan.to
        ? undefined
        : reader.read(plan.from, plan.to)[Symbol.asyncIterator]();
    const first = await chunks?.next();
    setFields(res, headers);
    setPlanFields(req, res, what, plan);
    res.writeHead(plan.status);
    if (chunks && first) await pump(res, chunks, first, options);
    else res.end();
  } finally {
    await chunks?.return?.();
    await reader.close();
  }
}

/** Says which bytes the answer has, and how many where the client is to count them. */
function setPlanFields(req: IncomingMessage, res: ServerResponse, what: Representation, plan: Plan): void {
  if (plan.status === 200) setFields(res, what.wholeHeaders ?? {});
  if (plan.status === 206) res.setHeader('Content-Range', `bytes ${plan.from}-${plan.to - 1}/${what.size}`);
  // Before HTTP/1.1 there are no chunks, and the length is the only mark of the end.
  if (what.counted || plan.status === 206 || req.method === 'HEAD' || req.httpVersion === '1.0')
    res.setHeader('Content-Length', plan.to - plan.from);
}

/** No range names no bytes: an empty part is a whole answer. */
function partPlan({ from, to }: NumberedPart): Plan {
  return { status: to > from ? 206 : 200, from, to };
}

function planOf(headers: IncomingHttpHeaders, what: Representation, window: Window): Plan {
  const field = headers.range;
  const windowed = window.offset > 0 || window.limit > 0;
  if (field !== undefined && !windowed && rangeCounts(headers, what)) {
    const range = parseRange(field, what.size);
    if (range === 'unsatisfiable') throw new Refusal('out_of_range', 'the range has no bytes', { size: what.size });
    if (range) return { status: 206, from: range.first, to: range.last + 1 };
  }
  const from = Math.min(window.offset, what.size);
  const to = window.limit > 0 ? Math.min(from + window.limit, what.size) : what.size;
  return { status: 200, from, to };
}

/** Writes as fast as the client takes it. Resolves when the answer ended or the client is gone. */
async function pump(
  res: ServerResponse,
  chunks: AsyncIterator<Uint8Array>,
  first: IteratorResult<Uint8Array>,
  { core, lifetime, namespace }: SendingOptions,
): Promise<void> {
  const valve = new Valve(res);
  // Node ends a connection whose timer runs out, and holds the timer back while the system takes bytes of a write: only
  // a client that takes none is cut. The end of the answer puts the timer for the next request in its place.
  res.socket?.setTimeout(lifetime.stall);
  try {
    for (let next = first; next.done !== true; next = await chunks.next()) {
      if (valve.gone) return;
      lifetime.sent += next.value.byteLength;
      core.usage.sent(namespace, next.value.byteLength);
      if (!res.write(next.value)) await valve.ready();
    }
    if (!valve.gone) res.end();
  } catch (error) {
    res.destroy();
    throw error;
  } finally {
    valve.close();
    if (valve.gone) res.destroy();
  }
}

/** Waits for a response to take more, or for its client to be gone. */
class Valve {
  readonly #res: ServerResponse;
  #gone = false;
  #wake: (() => void) | undefined;

  constructor(res: ServerResponse) {
    this.#res = res;
    this.#gone = res.destroyed || res.socket === null;
    res.on('drain', this.#open);
    res.on('close', this.#leave);
    res.on('error', this.#leave);
  }

  get gone(): boolean {
    return this.#gone;
  }

  async ready(): Promise<void> {
    if (this.#gone) return;
    await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  close(): void {
    this.#res.off('drain', this.#open);
    this.#res.off('close', this.#leave);
  }

  readonly #open = (): void => this.#wake?.();

  readonly #leave = (): void => {
    this.#gone = true;
    this.#wake?.();
  };
}
