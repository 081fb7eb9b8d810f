/** Structured header fields (RFC 9651), as far as resumable uploads have them. */
import type { IncomingMessage } from 'node:http';
import { Refusal } from '../../core/refusal.ts';

/** Parameters of an item, none of which means anything here. */
const parameters = /(?: *; *[a-z*][a-z0-9_.*-]*(?:=[!#-+\--:<-~]+)?)*/.source;
const boolean = new RegExp(`^ *\\?([01])${parameters} *$`);
const integer = new RegExp(`^ *(\\d{1,15})${parameters} *$`);

/** @throws Refusal `malformed` for a field that is no boolean: ignored, it would turn a part into the whole. */
export function booleanField(req: Pick<IncomingMessage, 'headers'>, name: string): boolean | undefined {
  const field = req.headers[name];
  if (field === undefined) return undefined;
  const [, digit] = boolean.exec(String(field)) ?? [];
  if (digit === undefined) throw new Refusal('malformed', `${name} must be ?1 or ?0`);
  return digit === '1';
}

/** A whole number that is not negative. @throws Refusal `malformed` for anything else */
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
