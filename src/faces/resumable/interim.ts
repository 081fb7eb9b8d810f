/** 104 (Upload Resumption Supported): reports the upload's URL and offset while its bytes arrive. */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Interop versions of the draft for which 104 is sent. */
const interops = new Set(['6', '7', '8', '9']);
/** Common HTTP clients and proxies fail after five 1xx responses, of which 100 may be one. */
const most = 3;
/** Durable bytes of a request before the first progress report. */
const firstDistance = 16 * 1024 * 1024;
/** Factor between two reports. */
const growth = 8;
/** Headers of proxies besides `X-Forwarded-*`. Many proxies treat an unknown 104 as the final response. */
const ofProxies: readonly string[] = ['via', 'forwarded', 'x-real-ip'];

/** Node 20 can only send 100, 102 and 103; this internal method sends raw bytes. */
interface Raw {
  _writeRaw?(text: string, encoding: 'latin1'): boolean;
}

interface Told {
  readonly count: number;
  /** Durable bytes of the body before the next report. */
  readonly next: number;
}

const told = new WeakMap<object, Told>();

/**
 * Sends a 104 if the client's draft version has it, over HTTP/1.1 without a proxy, before the response: at most three a
 * request, at growing distances.
 *
 * @param kept durable bytes of the request's body
 * @param headers values with line breaks are left out
 */
export function tellResumption(
  req: Pick<IncomingMessage, 'headers' | 'httpVersion'>,
  res: Pick<ServerResponse, 'headersSent' | 'destroyed'> & Raw,
  kept: number,
  headers: Readonly<Record<string, string | number>>,
): void {
  const interop = req.headers['upload-draft-interop-version'];
  const { count, next } = told.get(res) ?? { count: 0, next: 0 };
  if (typeof interop !== 'string' || !interops.has(interop) || count >= most || kept < next || cameByProxy(req)) return;
  if (req.httpVersion !== '1.1' || res.headersSent || res.destroyed || typeof res._writeRaw !== 'function') return;
  told.set(res, { count: count + 1, next: Math.max(firstDistance, kept * growth) });
  const all = Object.entries({ 'Upload-Draft-Interop-Version': interop, ...headers });
  const fields = all
    .filter(([, value]) => !/[\r\n]/.test(String(value)))
    .map(([name, value]) => `${name}: ${value}\r\n`);
  res._writeRaw(`HTTP/1.1 104 Upload Resumption Supported\r\n${fields.join('')}\r\n`, 'latin1');
}

/** By default nginx can only be recognized by the `Connection: close` to its upstream. */
function cameByProxy({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  if (/(?:^|,)[ \t]*close[ \t]*(?:,|$)/i.test(headers.connection ?? '')) return true;
  return Object.keys(headers).some((name) => ofProxies.includes(name) || name.startsWith('x-forwarded-'));
}
