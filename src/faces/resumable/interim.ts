/** 104 (Upload Resumption Supported): where an upload is, told while its bytes still come. */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Versions of the draft whose 104 this server sends, to those who ask for it. */
const interops = new Set(['6', '7', '8', '9']);
/** Common HTTP clients, and the proxies made of them, give a request up after five answers of 1xx; 100 may be one of them. */
const most = 3;
/** Bytes of a request's body that are kept before its first progress is told. */
const firstDistance = 16 * 1024 * 1024;
/** How many times as far the next one is. */
const growth = 8;
/** Header fields by which a proxy shows itself, beside `X-Forwarded-*`. Many take a 104 that they do not know for the answer. */
const ofProxies: readonly string[] = ['via', 'forwarded', 'x-real-ip'];

/** Node 20 can send no informational answer but 100, 102 and 103 by itself; this is what those are sent with. */
interface Raw {
  _writeRaw?(text: string, encoding: 'latin1'): boolean;
}

interface Told {
  readonly count: number;
  /** Bytes of the body that are kept before the next one is sent. */
  readonly next: number;
}

const told = new WeakMap<object, Told>();

/**
 * Sends 104, if the client speaks a draft that has it, over HTTP/1.1 and through no proxy, and the answer has not begun: at most
 * three for a request, at growing distances.
 *
 * @param kept bytes of the request's body that are kept.
 * @param headers values without line breaks; others are not sent.
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

/** nginx, unless it is told otherwise, shows itself by nothing but that it closes each connection to this server. */
function cameByProxy({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  if (/(?:^|,)[ \t]*close[ \t]*(?:,|$)/i.test(headers.connection ?? '')) return true;
  return Object.keys(headers).some((name) => ofProxies.includes(name) || name.startsWith('x-forwarded-'));
}
