import { lookup as resolveName } from 'node:dns/promises';
import { request as plainRequest, type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as safeRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { Body } from '../core/bytes/ingest.ts';
import { Refusal, type Reason } from '../core/refusal.ts';
import { Incoming, type LowestRate } from '../http/incoming.ts';

export interface OutboundOptions {
  /** Whether addresses of private networks are allowed. */
  readonly anywhere: boolean;
  /** Largest download in bytes. */
  readonly maxSize: number;
  readonly pace: LowestRate;
}

export interface OpenedUrl {
  readonly body: Body;
  readonly restarted: boolean;
  readonly etag: string | undefined;
  readonly length: number | undefined;
}

export interface Outbound {
  check(url: string): void;
  open(url: string, offset: number, etag: string | undefined, signal: AbortSignal): Promise<OpenedUrl>;
}

/** Maximum number of redirects. */
const maxRedirects = 5;
/** Milliseconds until the response must begin. */
const answerTime = 30_000;

/**
 * Fetches URLs that users supply. The host name is resolved once, every address must be public, and the connection goes
 * to exactly the checked address, so that DNS cannot change in between. Each redirect is checked again.
 */
export function openOutbound(options: OutboundOptions): Outbound {
  return {
    check: (url) => void checked(url, options),
    open: async (url, offset, etag, signal) => {
      let target = checked(url, options);
      for (let hop = 0; hop <= maxRedirects; hop += 1) {
        const answer = await ask(target, { offset, etag, signal }, options);
        const { statusCode = 0, headers } = answer;
        if (statusCode < 300 || statusCode >= 400 || headers.location === undefined)
          return opened(answer, offset, options);
        answer.destroy();
        const next = URL.canParse(headers.location, target.href) ? new URL(headers.location, target.href).href : '';
        if (target.protocol === 'https:' && next.startsWith('http:'))
          throw new Refusal('forbidden', 'the URL redirects from https to http');
        target = checked(next, options);
      }
      throw new Refusal('forbidden', `the URL redirects more than ${maxRedirects} times`);
    },
  };
}

/** @throws Refusal if the URL is invalid or not allowed, before its name is resolved */
function checked(text: string, options: OutboundOptions): URL {
  if (!URL.canParse(text)) throw new Refusal('malformed', 'not a valid URL');
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new Refusal('malformed', 'only http and https URLs are fetched');
  if (url.username !== '' || url.password !== '')
    throw new Refusal('malformed', 'a URL to fetch must not carry a name or password');
  const host = hostOf(url);
  if (isIP(host) !== 0) demandPublic(host, options);
  return url;
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

function demandPublic(address: string, options: OutboundOptions): void {
  if (options.anywhere || isPublic(address)) return;
  throw new Refusal('forbidden', 'the URL leads to an address that the server does not fetch from');
}

/** Accepts plain unicast only: not private, loopback, link-local, shared, mapped, translated, tunnelled or reserved. */
function isPublic(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (parsed.range() !== 'unicast') return false;
  // Only 2000::/3 of IPv6 is allocated; ipaddr.js reports every unnamed range as unicast.
  return parsed instanceof ipaddr.IPv4 || parsed.match(ipaddr.IPv6.parse('2000::'), 3);
}

/** The address to connect to. One address that is not public rejects the whole name. */
async function addressOf(host: string, options: OutboundOptions): Promise<{ address: string; family: number }> {
  const family = isIP(host);
  const found =
    family === 0 ? await resolveName(host, { all: true, verbatim: true }).catch(() => []) : [{ address: host, family }];
  for (const { address } of found) demandPublic(address, options);
  if (!found[0]) throw new Refusal('unavailable', 'the name in the URL cannot be resolved');
  return found[0];
}

interface FetchRequest {
  readonly offset: number;
  readonly etag: string | undefined;
  readonly signal: AbortSignal;
}

async function ask(
  url: URL,
  { offset, etag, signal }: FetchRequest,
  options: OutboundOptions,
): Promise<IncomingMessage> {
  const { address, family } = await addressOf(hostOf(url), options);
  const lookup: LookupFunction = (_name, how, done) => {
    if (how.all) done(null, [{ address, family }]);
    else done(null, address, family);
  };
  const headers: Record<string, string> = { 'User-Agent': 'Stowage', 'Accept-Encoding': 'identity', Accept: '*/*' };
  if (offset > 0 && etag !== undefined) {
    headers['Range'] = `bytes=${offset}-`;
    headers['If-Range'] = etag;
  }
  const send: (url: URL, options: RequestOptions) => ClientRequest =
    url.protocol === 'https:' ? safeRequest : plainRequest;
  return new Promise((resolve, reject) => {
    const request = send(url, { lookup, headers, signal, agent: false });
    const slow = setTimeout(
      () => request.destroy(new Error('the server at the URL did not answer in time')),
      answerTime,
    );
    request.once('response', (answer) => {
      clearTimeout(slow);
      resolve(answer);
    });
    // `on`, not `once`: a connection may fail twice, and an unhandled `error` event ends the process.
    request.on('error', (error) => {
      clearTimeout(slow);
      reject(error);
    });
    request.end();
  });
}

/** Reasons for statuses that mean more than a temporary failure. */
const reasons: Readonly<Record<number, Reason>> = {
  401: 'forbidden',
  403: 'forbidden',
  404: 'not_found',
  410: 'not_found',
};

function opened(answer: IncomingMessage, offset: number, options: OutboundOptions): OpenedUrl {
  const { statusCode = 0, headers } = answer;
  const partial = statusCode === 206 && startOf(headers['content-range']) === offset;
  if (statusCode !== 200 && !partial) {
    answer.destroy();
    throw new Refusal(reasons[statusCode] ?? 'unavailable', `the URL answers ${statusCode}`);
  }
  const announced = headers['content-length'] === undefined ? undefined : Number(headers['content-length']);
  const total = announced === undefined ? undefined : announced + (partial ? offset : 0);
  if (total !== undefined && total > options.maxSize) {
    answer.destroy();
    throw new Refusal('too_large', 'the content of the URL is larger than the limit for fetches');
  }
  const { etag } = headers;
  return {
    body: bounded(answer, partial ? offset : 0, options),
    restarted: !partial,
    etag: etag?.startsWith('"') ? etag : undefined,
    length: total,
  };
}

/** The response body. It is stopped with `too_large` when it exceeds the limit without having declared its length. */
function bounded(answer: IncomingMessage, before: number, options: OutboundOptions): Body {
  let size = before;
  const body: Incoming = new Incoming(answer, {
    pace: options.pace,
    onBytes: (count) => {
      size += count;
      if (size > options.maxSize)
        body.stop(new Refusal('too_large', 'the content of the URL is larger than the limit for fetches'));
    },
    onEnd: (ended) => void (ended.cut && answer.destroy()),
  });
  return body;
}

function startOf(range: string | undefined): number | undefined {
  const match = /^bytes (\d{1,16})-/.exec(range ?? '');
  return match ? Number(match[1]) : undefined;
}
