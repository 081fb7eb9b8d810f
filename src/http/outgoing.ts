import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Core } from '../core/index.ts';
import { Refusal } from '../core/refusal.ts';
import { parseRange } from '../kit/range.ts';
import { sendAnswer } from './responses.ts';
import { evaluateConditions, rangeCounts, type Validators } from './conditions.ts';
import { setFields } from './header-fields.ts';
import type { Lifetime } from './lifetime.ts';

/** Opened content. */
export interface Bytes {
  /** Reads bytes `from` up to `to` (exclusive); throws if there are fewer. */
  read(from: number, to: number): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** Content to send; no byte of it is read yet. */
export interface Representation extends Validators {
  readonly size: number;
  /** Headers of every response about it, with or without bytes. */
  readonly headers: Readonly<Record<string, string | number>>;
  /** Headers of responses with all of it. */
  readonly wholeHeaders?: Readonly<Record<string, string>>;
  /** Whether whole responses need a `Content-Length`, as some clients require. */
  readonly counted?: boolean;
  /** Opens the content. */
  open(): Promise<Bytes>;
}

/** The range in the query, besides any `Range` header. */
export interface ByteWindow {
  readonly offset: number;
  /** Maximum number of bytes; 0 means all. */
  readonly limit: number;
}

/** Bytes `from` up to `to` of a part that the request names by number; sent like a range. */
export interface NumberedPart {
  readonly from: number;
  readonly to: number;
}

export interface SendingOptions {
  readonly core: Pick<Core, 'usage'>;
  readonly lifetime: Lifetime;
  /** Namespace that the traffic is accounted to. */
  readonly namespace: string;
  /** The conditions of the request, if the face parses them itself. */
  readonly conditions?: IncomingHttpHeaders;
}

interface Plan {
  readonly status: 200 | 206;
  readonly from: number;
  readonly to: number;
}

/**
 * Sends content, or what the request's conditions require instead.
 *
 * Whole bodies are sent chunked unless `counted`: some clients do not notice a body shorter than its Content-Length.
 * For the same reason a disk error or a wrong digest breaks the connection instead of ending the response.
 *
 * @throws Refusal `over_quota`, `precondition` or `out_of_range`, and errors of `open`; nothing was sent then
 */
export async function sendBytes(
  req: IncomingMessage,
  res: ServerResponse,
  what: Representation,
  window: ByteWindow | NumberedPart,
  options: SendingOptions,
): Promise<void> {
  if (req.method === 'GET') await options.core.usage.demandTransfer(options.namespace);
  const conditions = options.conditions ?? req.headers;
  const verdict = evaluateConditions(conditions, what);
  if (verdict === 'failed') throw new Refusal('precondition', 'a precondition of the request failed');
  const headers = {
    ...what.headers,
    ETag: what.etag,
    'Last-Modified': new Date(what.modifiedAt).toUTCString(),
    'Accept-Ranges': 'bytes',
  };
  if (verdict === 'not_modified') {
    sendAnswer(req, res, { status: 304, headers });
    return;
  }
  const plan = 'from' in window ? partPlan(window) : planOf(conditions, what, window);
  const reader = await what.open();
  let chunks: AsyncIterator<Uint8Array> | undefined;
  try {
    // The first bytes are read before the headers are sent, so that a refusal still gets its own response.
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

/** Sets the headers for the selected bytes. */
function setPlanFields(req: IncomingMessage, res: ServerResponse, what: Representation, plan: Plan): void {
  if (plan.status === 200) setFields(res, what.wholeHeaders ?? {});
  if (plan.status === 206) res.setHeader('Content-Range', `bytes ${plan.from}-${plan.to - 1}/${what.size}`);
  // HTTP/1.0 has no chunked coding, so only the length marks the end.
  if (what.counted || plan.status === 206 || req.method === 'HEAD' || req.httpVersion === '1.0')
    res.setHeader('Content-Length', plan.to - plan.from);
}

/** A range cannot be empty, so an empty part is a whole response. */
function partPlan({ from, to }: NumberedPart): Plan {
  return { status: to > from ? 206 : 200, from, to };
}

function planOf(headers: IncomingHttpHeaders, what: Representation, window: ByteWindow): Plan {
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

/** Writes at the client's pace. Resolves when the response has ended or the client is gone. */
async function pump(
  res: ServerResponse,
  chunks: AsyncIterator<Uint8Array>,
  first: IteratorResult<Uint8Array>,
  { core, lifetime, namespace }: SendingOptions,
): Promise<void> {
  const valve = new Valve(res);
  // Node does not fire this timer while the system accepts bytes of a write, so that only a client that reads nothing
  // is cut. The end of the response replaces it by the keep-alive timer.
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

/** Waits until a response accepts more bytes or its client is gone. */
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
