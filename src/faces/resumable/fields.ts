/** Structured header fields (RFC 9651), as far as resumable uploads have them. A value of the wrong type is no value. */
import type { IncomingMessage } from 'node:http';

export function booleanField(req: IncomingMessage, name: string): boolean | undefined {
  const field = req.headers[name];
  return field === '?1' ? true : field === '?0' ? false : undefined;
}

/** A whole number that is not negative. */
export function integerField(req: IncomingMessage, name: string): number | undefined {
  const field = req.headers[name];
  return typeof field === 'string' && /^\d{1,15}$/.test(field) ? Number(field) : undefined;
}

export function printBoolean(value: boolean): string {
  return value ? '?1' : '?0';
}
