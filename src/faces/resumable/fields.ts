/** Structured header fields (RFC 9651) of resumable uploads. */
import type { IncomingMessage } from 'node:http';
import { Refusal } from '../../core/refusal.ts';

/** Parameters of an item; they are ignored. */
const parameters = /(?: *; *[a-z*][a-z0-9_.*-]*(?:=[!#-+\--:<-~]+)?)*/.source;
const boolean = new RegExp(`^ *\\?([01])${parameters} *$`);
const integer = new RegExp(`^ *(\\d{1,15})${parameters} *$`);

/** @throws Refusal `malformed` if the field is not a boolean; ignoring it would make a partial upload complete */
export function booleanField(req: Pick<IncomingMessage, 'headers'>, name: string): boolean | undefined {
  const field = req.headers[name];
  if (field === undefined) return undefined;
  const [, digit] = boolean.exec(String(field)) ?? [];
  if (digit === undefined) throw new Refusal('malformed', `${name} must be ?1 or ?0`);
  return digit === '1';
}

/** A non-negative integer. @throws Refusal `malformed` */
export function integerField(req: Pick<IncomingMessage, 'headers'>, name: string): number | undefined {
  const field = req.headers[name];
  if (field === undefined) return undefined;
  const [, digits] = integer.exec(String(field)) ?? [];
  if (digits === undefined) throw new Refusal('malformed', `${name} must be a whole number`);
  return Number(digits);
}

export function printBoolean(value: boolean): string {
  return value ? '?1' : '?0';
}
