/** Request ids and the request log. */
import type { RequestHandler, Request, Response } from 'express';
import type { Logger } from 'pino';
import { newId } from '../kit/ids.ts';
import { addressOf } from './client-address.ts';
import { maskedPath } from './masked-paths.ts';
import type { Metrics } from './metrics.ts';

const header = 'X-Request-ID';
const sane = /^[A-Za-z0-9._:@/+=-]{1,128}$/;

/** The id that the request has or was given. */
export function requestId(res: Response): string {
  return String(res.getHeader(header) ?? '');
}

/** Sets the route template for logs and metrics. The path itself is not used, because it contains names. */
export function nameRoute(res: Response, template: string): void {
  res.locals['route'] = template;
}

/** Sets the caller's namespace for the log. */
export function nameCaller(res: Response, namespace: string): void {
  res.locals['namespace'] = namespace;
}

/** Assigns ids, counts, logs. Headers, bodies, queries and tokens are never logged: they contain secrets. */
export function noteRequests(log: Logger, metrics: Metrics): RequestHandler {
  return (req, res, next) => {
    const began = performance.now();
    const brought = req.headers['x-request-id'];
    const id = typeof brought === 'string' && sane.test(brought) ? brought : newId();
    res.setHeader(header, id);
    res.setHeader('X-Content-Type-Options', 'nosniff');
    res.once('close', () => note(log, metrics, req, res, { id, ms: performance.now() - began }));
    next();
  };
}

function note(log: Logger, metrics: Metrics, req: Request, res: Response, facts: { id: string; ms: number }): void {
  const route = String(res.locals['route'] ?? 'none');
  const answered = res.writableFinished;
  const status = answered ? res.statusCode : 499;
  metrics.request(req.method, route, status, facts.ms / 1000);
  const quiet = status < 400 && res.locals['quiet'] === true;
  log[status >= 500 ? 'warn' : quiet ? 'debug' : 'info'](
    {
      request: facts.id,
      method: req.method,
      route,
      path: maskedPath(req.originalUrl),
      status,
      ms: Math.round(facts.ms * 10) / 10,
      namespace: res.locals['namespace'] as string | undefined,
      from: addressOf(req),
    },
    answered ? 'answered' : 'client gone',
  );
}
