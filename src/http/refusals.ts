import type { ErrorRequestHandler, Request, Response } from 'express';
import type { Logger } from 'pino';
import { Refusal, type Reason } from '../core/refusal.ts';
import { sendAnswer } from './responses.ts';
import type { OpenApi } from './openapi.ts';
import { requestId } from './request-log.ts';

/** A refusal for a face to format. `code` is for programs. */
export interface Refused {
  readonly reason: Reason | 'internal' | 'method_not_allowed';
  readonly sentence: string;
  readonly status: number;
  readonly code: string;
  readonly details: Readonly<Record<string, string | number>>;
}

type Answer = readonly [status: number, code: string, sentence?: string];

/** A face's response to each reason. Without a sentence here, the core's message is sent. */
export type Answers = Readonly<Record<Reason, Answer>>;

function same<R extends Reason>(answer: Answer, ...reasons: readonly R[]): Record<R, Answer> {
  return Object.fromEntries(reasons.map((reason) => [reason, answer])) as Record<R, Answer>;
}

/** The standard status and code of each reason; a face whose clients expect others has its own table. */
export const plainAnswers: Answers = {
  ...same([400, 'malformed'], 'malformed', 'bad_text', 'bad_type', 'bad_shape', 'bad_bucket_name', 'reserved_source'),
  ...same([400, 'malformed'], 'key_too_long', 'other_slot', 'slot_empty', 'size_mismatch', 'checksum_mismatch'),
  ...same([400, 'malformed'], 'ends_too_early'),
  unauthenticated: [401, 'unauthenticated'],
  ...same([401, 'unauthenticated', 'unauthorized'], 'wrong_secret', 'operators_only'),
  ...same([403, 'forbidden'], 'forbidden', 'foreign_bucket', 'locked'),
  ...same([404, 'not_found'], 'not_found', 'no_bucket', 'no_blob', 'no_object', 'no_multipart'),
  ...same([409, 'conflict'], 'conflict', 'bucket_owned', 'bucket_taken', 'bucket_occupied', 'bucket_changed'),
  ...same([409, 'conflict'], 'bucket_locked', 'upload_changed', 'part_replaced', 'pinned'),
  idempotency_conflict: [409, 'idempotency_conflict'],
  idempotency_in_progress: [409, 'idempotency_in_progress'],
  offset_mismatch: [409, 'offset_mismatch'],
  digest_mismatch: [400, 'digest_mismatch'],
  too_large: [413, 'too_large'],
  interrupted: [400, 'interrupted'],
  superseded: [409, 'superseded'],
  not_ready: [406, 'not_ready'],
  precondition: [412, 'precondition'],
  out_of_range: [416, 'out_of_range'],
  full: [507, 'full'],
  over_quota: [403, 'over_quota'],
  throttled: [429, 'throttled'],
  unavailable: [503, 'unavailable'],
  lost: [500, 'lost'],
};

/** Headers that supplement a refusal in any format. */
export function plainHeaders({ reason, details }: Refused): Record<string, string | number> {
  switch (reason) {
    case 'unauthenticated':
    case 'wrong_secret':
    case 'operators_only':
      return { 'WWW-Authenticate': 'Bearer' };
    case 'unavailable':
      return { 'Retry-After': 5 };
    case 'full':
      return { 'Retry-After': 60 };
    case 'throttled':
    case 'idempotency_in_progress':
      return { 'Retry-After': details['retry_after'] ?? 1 };
    case 'offset_mismatch':
      return { 'Upload-Offset': details['offset'] ?? 0 };
    case 'out_of_range':
      return { 'Content-Range': `bytes */${details['size'] ?? '*'}` };
    default:
      return {};
  }
}

/** The error format of a face: a response to every reason, and the body. */
export interface Wording {
  readonly answers: Answers;
  print(refused: Refused): { readonly type: string; readonly text: string };
  /** Headers besides the body. */
  headers(refused: Refused): Record<string, string | number>;
}

/** Reasons after which the connection is closed, because the client may still be sending an old body on it. */
const closingReasons: ReadonlySet<Reason> = new Set(['superseded', 'interrupted', 'unavailable']);

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
      reason: 'internal',
      sentence: 'internal error',
      status: 500,
      code: 'internal',
      details: { request_id: requestId(res) },
    });
  };
}

function refuse(wording: Wording, req: Request, res: Response, refusal: Refusal): void {
  const { reason, message, details } = refusal;
  const [status, code, sentence = message] = wording.answers[reason];
  const extra = closingReasons.has(reason) ? { Connection: 'close' } : {};
  say(wording, req, res, { reason, sentence, status, code, details }, extra);
}

/** Answers 404 if the description lacks the path, or 405 if the path lacks the method. */
export function answerUnknown(openapi: OpenApi, wording: Wording, req: Request, res: Response): void {
  const allowed = openapi.methodsAt(req.baseUrl + req.path);
  if (allowed.length === 0) {
    refuse(wording, req, res, new Refusal('not_found', 'no such path'));
    return;
  }
  const refused = {
    reason: 'method_not_allowed',
    sentence: 'this path does not support that method',
    status: 405,
    code: 'method_not_allowed',
    details: {},
  } as const;
  say(wording, req, res, refused, { Allow: allowed.join(', ') });
}

/** Responds with a refusal in the format of a face. */
function say(
  wording: Wording,
  req: Request,
  res: Response,
  refused: Refused,
  extra: Readonly<Record<string, string>> = {},
): void {
  sendAnswer(req, res, {
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
