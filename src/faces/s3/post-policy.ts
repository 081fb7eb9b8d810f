/** The policy of a POST form. */
import { JsonFault, parseJson } from '../../kit/json.ts';
import { utf8 } from '../../kit/text.ts';
import { S3Error } from './errors.ts';

interface Condition {
  readonly kind: 'eq' | 'starts-with';
  readonly field: string;
  readonly value: string;
}

export interface FormPolicy {
  readonly conditions: readonly Condition[];
  /** Size limits of the file: the intersection of all ranges. */
  readonly least: number;
  readonly most: number;
}

/** Fields that a policy need not name; a checksum can only make the request fail. */
const exempt = new Set(['awsaccesskeyid', 'signature', 'x-amz-signature', 'policy', 'file']);

/** @throws S3Error `InvalidPolicyDocument`, or `AccessDenied` if it has expired */
export function readFormPolicy(encoded: string, now: number): FormPolicy {
  const document = decoded(encoded);
  if (typeof document !== 'object' || document === null) throw invalid('The policy is not an object.');
  const { expiration, conditions } = document as Record<string, unknown>;
  const expires =
    typeof expiration === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/.test(expiration)
      ? Date.parse(expiration)
      : Number.NaN;
  if (Number.isNaN(expires)) throw invalid('The policy has no valid expiration.');
  if (!Array.isArray(conditions) || conditions.length === 0) throw invalid('The policy has no conditions.');
  if (expires <= now) throw refused('Policy expired.');
  return conditionsOf(conditions as unknown[]);
}

/** Decodes a policy's JSON; some programs insert line breaks into the base64. */
function decoded(encoded: string): unknown {
  // White space is removed first: a pattern that allows it in two places would take quadratic time.
  const bare = encoded.replaceAll(/\s+/g, '');
  const text = /^[A-Za-z0-9+/]*=*$/.test(bare) ? utf8(Buffer.from(bare, 'base64')) : undefined;
  if (text === undefined) throw invalid('The policy is not base64 of UTF-8 text.');
  try {
    return parseJson(text);
  } catch (error) {
    throw invalid(`The policy ${error instanceof JsonFault ? error.message : 'is not JSON'}.`);
  }
}

function conditionsOf(list: readonly unknown[]): FormPolicy {
  const conditions: Condition[] = [];
  let [least, most] = [0, Infinity];
  for (const item of list) {
    if (!Array.isArray(item)) {
      conditions.push(...membersOf(item));
    } else if (wordOf(item) === 'content-length-range') {
      const range = rangeOf(item);
      least = Math.max(least, range.least);
      most = Math.min(most, range.most);
    } else {
      conditions.push(conditionOf(item));
    }
  }
  return { conditions, least, most };
}

function wordOf([kind]: readonly unknown[]): string {
  return typeof kind === 'string' ? kind.toLowerCase() : '';
}

/** A condition as an array: operator, field, value. */
function conditionOf(item: readonly unknown[]): Condition {
  const kind = wordOf(item);
  const [, name, value] = item;
  if (
    (kind !== 'eq' && kind !== 'starts-with') ||
    item.length !== 3 ||
    typeof name !== 'string' ||
    !name.startsWith('$') ||
    typeof value !== 'string'
  )
    throw invalid('A condition of the policy is malformed.');
  return { kind, field: name.slice(1).toLowerCase(), value };
}

/** Conditions as an object: required values by field. */
function membersOf(item: unknown): Condition[] {
  if (typeof item !== 'object' || item === null) throw invalid('A condition of the policy is malformed.');
  const entries = Object.entries(item);
  if (entries.length === 0) throw invalid('A condition of the policy is empty.');
  return entries.map(([field, value]) => {
    if (typeof value !== 'string') throw invalid('A condition of the policy is malformed.');
    return { kind: 'eq', field: field.toLowerCase(), value };
  });
}

function rangeOf(item: readonly unknown[]): { least: number; most: number } {
  const [least, most] = [Number(item[1]), Number(item[2])];
  if (item.length !== 3 || !Number.isSafeInteger(least) || !Number.isSafeInteger(most) || least < 0)
    throw invalid('The content-length-range is malformed.');
  return { least, most };
}

/** @throws S3Error `AccessDenied` if a field violates the policy, or the policy does not name it */
export function checkConditions({ conditions }: FormPolicy, fields: ReadonlyMap<string, string>): void {
  for (const { kind, field, value } of conditions) {
    const actual = fields.get(field);
    const holds = kind === 'eq' ? actual === value : (actual ?? (value === '' ? '' : undefined))?.startsWith(value);
    if (!holds) throw refused(`Policy Condition failed: ["${kind}", "$${field}", "${value}"]`);
  }
  const named = new Set(conditions.map(({ field }) => field));
  for (const field of fields.keys()) {
    if (
      !named.has(field) &&
      !exempt.has(field) &&
      !field.startsWith('x-ignore-') &&
      !field.startsWith('x-amz-checksum-')
    )
      throw refused(`Extra input field: ${field}`);
  }
}

function invalid(message: string): S3Error {
  return new S3Error('InvalidPolicyDocument', message);
}

function refused(message: string): S3Error {
  return new S3Error('AccessDenied', `Invalid according to Policy: ${message}`);
}
