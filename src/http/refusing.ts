import type { ErrorRequestHandler, Request, Response } from 'express';
import type { Logger } from 'pino';
import { Refusal, type Reason } from '../core/refusal.ts';
import { send } from './answering.ts';
import type { OpenApi } from './openapi.ts';
import { requestId } from './request-log.ts';

/** A refusal for a face to format. `code` is the reason, or a code for an error outside of the core. */
export interface Refused {
  readonly sentence: string;
  readonly status: number;
  readonly code: Reason | 'internal' | 'method_not_allowed';
  readonly details: Readonly<Record<string, string | number>>;
}

/** The standard status of each reason; a face whose clients expect others has its own table. */
export const plainStatuses: Record<Reason, number> = {
  malformed: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  offset_mismatch: 409,
  digest_mismatch: 400,
  too_large: 413,
  interrupted: 400,
  superseded: 409,
  not_ready: 406,
  precondition: 412,
  out_of_range: 416,
  full: 507,
  over_quota: 403,
  throttled: 429,
  unavailable: 503,
  lost: 500,
};

/** Headers that supplement a refusal in any format. */
export function plainHeaders({ code, details }: Refused): Record<string, string | number> {
  switch (code) {
    case 'unauthenticated':
      return { 'WWW-Authenticate': 'Bearer' };
    case 'unavailable':
      return { 'Retry-After': 5 };
    case 'full':
      return { 'Retry-After': 60 };
    case 'throttled':
      return { 'Retry-After': details['retry_after'] ?? 1 };
    case 'offset_mismatch':
      return { 'Upload-Offset': details['offset'] ?? 0 };
    case 'out_of_range':
      return { 'Content-Range': `bytes */${details['size'] ?? '*'}` };
    default:
      return {};
  }
}

/** The error format of a face: a status for every reason, and the body. */
export interface Wording {
  readonly statuses: Readonly<Record<Reason, number>>;
  /** A more specific status for some refusals. */
  finer?(refusal: Refusal): number | undefined;
  print(refused: Refused): { readonly type: string; readonly text: string };
  /** Headers besides the body. */
  headers(refused: Refused): Record<string, string | number>;
}

/** Reasons after which the connection is closed, because the client may still be sending an old body on it. */
const partings: ReadonlySet<Reason> = new Set(['superseded', 'interrupted', 'unavailable']);

/** Turns errors into responses. An error that is not a Refusal is logged; the client gets the request id. */
export function refusing(how: Wording | ((req: Request) => Wording), log: Logger): ErrorRequestHandler {
  // Express recognizes an error handler by its four parameters.
  return (error: unknown, req: Request, res: Response, _next: unknown): void => {
    const wording = typeof how === 'function' ? how(req) : how;
    const refusal = error instanceof Refusal ? error : fromFramework(error);
    if (refusal) {
      refuse(wording, req, res, refusal);
      if (refusal.reason === 'lost' || refusal.reason === 'unavailable') {
        log.error({ request: requestId(res), reason: refusal.reason, err: plain(error) }, 'refused');
      }
      return;
    }
    if (!isHangUp(error)) log.error({ request: requestId(res), err: plain(error) }, 'a request failed');
    say(wording, req, res, {
      sentence: 'internal error',
      status: 500,
      code: 'internal',
      details: { request_id: requestId(res) },
    });
  };
}

function refuse(wording: Wording, req: Request, res: Response, refusal: Refusal): void {
  const { reason, message, details } = refusal;
  const extra = partings.has(reason) ? { Connection: 'close' } : {};
  say(
    wording,
    req,
    res,
    { sentence: message, status: wording.finer?.(refusal) ?? wording.statuses[reason], code: reason, details },
    extra,
  );
}

/** Answers 404 if the description lacks the path, or 405 if the path lacks the method. */
export function answerUnknown(openapi: OpenApi, wording: Wording, req: Request, res: Response): void {
  const allowed = openapi.methodsAt(req.baseUrl + req.path);
  if (allowed.length === 0) {
    say(wording, req, res, {
      sentence: 'no such path',
      status: wording.statuses.not_found,
      code: 'not_found',
      details: {},
    });
    return;
  }
  const refused = {
    sentence: 'this path does not support that method',
    status: 405,
    code: 'method_not_allowed',
    details: {},
  } as const;
  say(wording, req, res, refused, { Allow: allowed.join(', ') });
}

/** Responds with a refusal in the format of a face. */
export function say(
  wording: Wording,
  req: Request,
  res: Response,
  refused: Refused,
  extra: Readonly<Record<string, string>> = {},
): void {
  send(req, res, {
    status: refused.status,
    headers: { ...wording.headers(refused), ...extra },
    ...wording.print(refused),
  });
}

/** Errors of Express and its router carry a `status`; their messages are not sent to clients. */
function fromFramework(error: unknown): Refusal | undefined {
  if (typeof error !== 'object' || error === null || !('status' in error)) return undefined;
  if (error.status === 413) return new Refusal('too_large', 'the request body is too long');
  if (typeof error.status === 'number' && error.status >= 400 && error.status < 500)
    return new Refusal('malformed', 'the request is malformed');
  return undefined;
}

/** The client disconnected during the response, which is not an error here. */
function isHangUp(error: unknown): boolean {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return code === 'ECONNRESET' || code === 'EPIPE' || code === 'ERR_STREAM_PREMATURE_CLOSE';
}

function plain(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) };
  return {
    name: error.name,
    message: error.message,
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: plain(error.cause) }),
  };
}
