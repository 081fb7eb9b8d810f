import type { IncomingMessage, ServerResponse } from 'node:http';
import { setFields } from './header-fields.ts';
import { expectsLeave, hasBody } from './incoming.ts';

/** Bytes of an unread body that are read and thrown away so that the connection can be used again. */
const drainable = 4 * 1024 * 1024;
/** Milliseconds that reading on may take. Closing at once would reset the connection, and the client might never see the answer. */
const patience = 2000;

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly type?: string;
  readonly text?: string;
}

/** Answers with JSON; undefined is `null`, since old clients parse every answer. */
export function json(
  req: IncomingMessage,
  res: ServerResponse,
  status: number,
  value: unknown,
  headers: Answer['headers'] = {},
): void {
  send(req, res, { status, headers, type: 'application/json; charset=utf-8', text: JSON.stringify(value ?? null) });
}

/** Answers at once and whole. What is left of the request's body is dealt with afterwards, never left to hang. */
export function send(req: IncomingMessage, res: ServerResponse, answer: Answer): void {
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
  readAway(req, res);
}

/** Whether the rest of a body is announced to be so small that it is read away, which saves the connection. */
function isDrainable(req: IncomingMessage): boolean {
  return !expectsLeave(req) && Number(req.headers['content-length'] ?? Number.POSITIVE_INFINITY) <= drainable;
}

/** Reads the rest of a body and then ends the answer, which the client has in full by then; gives up after a while. */
function readAway(req: IncomingMessage, res: ServerResponse): void {
  if (expectsLeave(req) || req.destroyed) {
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
