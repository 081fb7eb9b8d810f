import type { IncomingMessage, ServerResponse } from 'node:http';
import { setFields } from './header-fields.ts';
import { expectsContinue, hasBody } from './incoming.ts';

/** Bytes of an unread body that are read and discarded to keep the connection. */
const drainable = 4 * 1024 * 1024;
/** Milliseconds for that. Closing at once would reset the connection, and the client might not see the response. */
const patience = 2000;

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly type?: string;
  readonly text?: string;
}

/** Responds with JSON. Undefined becomes `null`, because old clients parse every response. */
export function json(
  req: IncomingMessage,
  res: ServerResponse,
  status: number,
  value: unknown,
  headers: Answer['headers'] = {},
): void {
  sendAnswer(req, res, {
    status,
    headers,
    type: 'application/json; charset=utf-8',
    text: JSON.stringify(value ?? null),
  });
}

/** Responds at once with a whole body, then disposes of the unread request body. */
export function sendAnswer(req: IncomingMessage, res: ServerResponse, answer: Answer): void {
  if (res.headersSent || res.destroyed) {
    res.destroy();
    return;
  }
  const payload = Buffer.from(answer.text ?? '', 'utf8');
  if (answer.type !== undefined) res.setHeader('Content-Type', answer.type);
  if (answer.status !== 304) res.setHeader('Content-Length', payload.byteLength);
  if (!res.hasHeader('Cache-Control')) res.setHeader('Cache-Control', 'no-store');
  setFields(res, answer.headers ?? {});
  const body = req.method === 'HEAD' || answer.status === 304 ? undefined : payload;
  if (req.complete || !hasBody(req)) {
    res.writeHead(answer.status).end(body);
    return;
  }
  if (!isDrainable(req)) res.setHeader('Connection', 'close');
  res.writeHead(answer.status);
  if (body) res.write(body);
  discardRest(req, res);
}

/** Whether the rest of the body is declared small enough to be read and discarded, which saves the connection. */
function isDrainable(req: IncomingMessage): boolean {
  return !expectsContinue(req) && Number(req.headers['content-length'] ?? Number.POSITIVE_INFINITY) <= drainable;
}

/** Discards the rest of the body, then ends the response, which the client has in full. Gives up after `patience`. */
function discardRest(req: IncomingMessage, res: ServerResponse): void {
  if (expectsContinue(req) || req.destroyed) {
    res.end();
    return;
  }
  let seen = 0;
  const giveUp = (): void => {
    if (res.writableEnded) return;
    res.end();
    res.socket?.destroySoon();
  };
  const timer = setTimeout(giveUp, patience).unref();
  req.on('data', (chunk: Buffer) => {
    seen += chunk.byteLength;
    if (seen > drainable) giveUp();
  });
  req.once('end', () => res.end());
  req.once('close', () => clearTimeout(timer));
  req.resume();
}
