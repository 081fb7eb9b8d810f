/** Conditions of bucket policies: all documented operators with set qualifiers and `IfExists`. */
import ipaddr from 'ipaddr.js';
import { isConditionKey, isVariableKey } from './policy-names.ts';
import { compilePattern, type Pattern, type ValueOf } from './policy-patterns.ts';

export interface Condition {
  /** @param identity of the caller; `anonymous` if unauthenticated */
  readonly holds: (valueOf: ValueOf, identity: string) => boolean;
  /** Upper bound for the share of all callers that match, from 0 to 1: see `shareOf`. */
  readonly share: number;
  /** Namespaces that the condition gives access to. */
  readonly names: readonly string[];
}

/** Context for compiling conditions. */
export interface Reading {
  /** Whether policy variables are expanded. */
  readonly variables: boolean;
  readonly effect: 'Allow' | 'Deny';
  readonly identities: Identities;
}

/** Identities of the namespaces in a policy when it was put, by name. A missing one is its name. */
export type Identities = Readonly<Record<string, string>>;

export function identityIn(identities: Identities, name: string): string {
  return Object.hasOwn(identities, name) ? identities[name]! : name;
}

/** Whether a value of the request matches the compiled value. */
type Test = Pattern;

interface Operator {
  /** Undefined if the value is invalid for the operator. */
  readonly compile: (wanted: string, variables: boolean) => Test | undefined;
  /** Whether the operator is true if no value matches, or the key is absent. */
  readonly negated: boolean;
}

const strings =
  (options: { wildcards: boolean; ignoreCase?: boolean }): Operator['compile'] =>
  (wanted, variables) =>
    compilePattern(wanted, { ...options, isVariable: variables ? isVariableKey : undefined });
const equals = strings({ wildcards: false });
const equalsIgnoringCase = strings({ wildcards: false, ignoreCase: true });
const like = strings({ wildcards: true });

/** An operator that compares two parsed values. */
function compared<T>(
  read: (text: string) => T | undefined,
  holds: (actual: T, wanted: T) => boolean,
): Operator['compile'] {
  return (text) => {
    const wanted = read(text);
    if (wanted === undefined) return undefined;
    return (asked) => {
      const actual = read(asked);
      return actual !== undefined && holds(actual, wanted);
    };
  };
}

const positive = (compile: Operator['compile']): Operator => ({ compile, negated: false });
const negative = (compile: Operator['compile']): Operator => ({ compile, negated: true });
const number = (holds: (actual: number, wanted: number) => boolean): Operator['compile'] => compared(readNumber, holds);
const date = (holds: (actual: number, wanted: number) => boolean): Operator['compile'] => compared(readDate, holds);
const same = (actual: number, wanted: number): boolean => actual === wanted;

const operators: Readonly<Record<string, Operator>> = {
  StringEquals: positive(equals),
  StringNotEquals: negative(equals),
  StringEqualsIgnoreCase: positive(equalsIgnoringCase),
  StringNotEqualsIgnoreCase: negative(equalsIgnoringCase),
  StringLike: positive(like),
  StringNotLike: negative(like),
  NumericEquals: positive(number(same)),
  NumericNotEquals: negative(number(same)),
  NumericLessThan: positive(number((actual, wanted) => actual < wanted)),
  NumericLessThanEquals: positive(number((actual, wanted) => actual <= wanted)),
  NumericGreaterThan: positive(number((actual, wanted) => actual > wanted)),
  NumericGreaterThanEquals: positive(number((actual, wanted) => actual >= wanted)),
  DateEquals: positive(date(same)),
  DateNotEquals: negative(date(same)),
  DateLessThan: positive(date((actual, wanted) => actual < wanted)),
  DateLessThanEquals: positive(date((actual, wanted) => actual <= wanted)),
  DateGreaterThan: positive(date((actual, wanted) => actual > wanted)),
  DateGreaterThanEquals: positive(date((actual, wanted) => actual >= wanted)),
  Bool: positive(compared(readBool, (actual, wanted) => actual === wanted)),
  BinaryEquals: positive(compared(readBinary, (actual, wanted) => actual.equals(wanted))),
  IpAddress: positive(network),
  NotIpAddress: negative(network),
  ArnEquals: positive(arn),
  ArnLike: positive(arn),
  ArnNotEquals: negative(arn),
  ArnNotLike: negative(arn),
};

/**
 * If a condition names a namespace, a match only benefits that namespace as it was when the policy was put (an Allow,
 * or an exception from a Deny). A match that denies applies to every later namespace of that name.
 *
 * @returns undefined for an unknown operator or key, or invalid values
 */
export function compileCondition(
  name: string,
  key: string,
  wanted: readonly string[],
  { variables, effect, identities }: Reading,
): Condition | undefined {
  const lowerKey = key.toLowerCase();
  if (!isConditionKey(lowerKey) || wanted.length === 0) return undefined;
  if (name === 'Null') return compileNull(lowerKey, wanted);
  const [, qualifier, bare = '', ifExists] = /^(?:(ForAllValues|ForAnyValue):)?(.+?)(IfExists)?$/.exec(name) ?? [];
  const operator = Object.hasOwn(operators, bare) ? operators[bare] : undefined;
  if (!operator) return undefined;
  const tests = wanted.map((text) => operator.compile(text, variables));
  if (!tests.every((test) => test !== undefined)) return undefined;
  const isGift = operator.negated === (effect === 'Deny');
  const named = wanted.map((text) => (isGift ? namesOf(lowerKey, text, bare) : undefined));
  const holds = (valueOf: ValueOf, identity: string): boolean => {
    const fits = (value: string): boolean =>
      tests.some((test, at) => {
        const names = named[at];
        const isSame = names?.some((name) => identityIn(identities, name) === identity) ?? true;
        return isSame && test(value, valueOf);
      });
    const fitsOne = (value: string): boolean => fits(value) !== operator.negated;
    const values = valueOf(lowerKey);
    if (values === undefined && ifExists !== undefined) return true;
    // An empty value counts as absent here.
    if (qualifier === 'ForAllValues') return (values ?? []).every((value) => value === '' || fitsOne(value));
    if (qualifier === 'ForAnyValue') return (values ?? []).some(fitsOne);
    return (values ?? []).some(fits) !== operator.negated;
  };
  // Both are also true if the request lacks the key.
  const narrows = qualifier !== 'ForAllValues' && ifExists === undefined;
  const names = named.flatMap((some) => some ?? []);
  return { holds, share: narrows ? shareOf(bare, lowerKey, wanted) : 1, names };
}

const callerNames = new Set(['aws:principalaccount', 'aws:userid', 'aws:username']);

/** The namespace that a value names exactly; undefined for a pattern or another key. */
function namesOf(key: string, text: string, operator: string): readonly string[] | undefined {
  const name = key === 'aws:principalarn' ? arnParts(text)?.[4] : callerNames.has(key) ? text : undefined;
  if (name === undefined || /[*?]|\$\{/.test(name)) return undefined;
  return operator.endsWith('IgnoreCase') ? [name, name.toLowerCase()] : [name];
}

/** Tests whether the key is absent. */
function compileNull(key: string, wanted: readonly string[]): Condition | undefined {
  const flags = wanted.map(readBool);
  if (flags.includes(undefined)) return undefined;
  return { holds: (valueOf) => flags.includes(!valueOf(key)?.length), share: 1, names: [] };
}

/** Keys that identify the caller or the calling service; a caller cannot choose their values. */
const identities = new Set([
  'aws:principalaccount',
  'aws:principalarn',
  'aws:principalorgid',
  'aws:sourceaccount',
  'aws:sourcearn',
  'aws:sourceorgid',
  'aws:sourceowner',
  'aws:sourcevpc',
  'aws:sourcevpce',
  'aws:userid',
  's3:dataaccesspointaccount',
  's3:dataaccesspointarn',
]);
const exact = new Set(['StringEquals', 'StringEqualsIgnoreCase', 'StringLike', 'ArnEquals', 'ArnLike']);

/**
 * S3's definition of a non-public condition: fixed caller values without wildcards and variables, or networks up to /8
 * (IPv4) or /32 (IPv6). Other conditions do not narrow. Shares of networks add up, so that many of them count as
 * public.
 */
function shareOf(operator: string, key: string, wanted: readonly string[]): number {
  if (key === 'aws:sourceip') {
    return operator === 'IpAddress' ? wanted.reduce((sum, text) => sum + shareOfNetwork(readNetwork(text)!), 0) : 1;
  }
  const isFixed = (text: string): boolean => !['', 'anonymous'].includes(text.toLowerCase()) && !/[*?]|\$\{/.test(text);
  return identities.has(key) && exact.has(operator) && wanted.every(isFixed) ? 0 : 1;
}

/** Private IPv4 networks (RFC 1918), which are unreachable from the internet. */
const privateNetworks = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].map((text) => ipaddr.IPv4.parseCIDR(text));

function shareOfNetwork([base, bits]: Network): number {
  const isWithin = ([whole, least]: (typeof privateNetworks)[number]): boolean =>
    base instanceof ipaddr.IPv4 && bits >= least && base.match(whole, least);
  if (privateNetworks.some(isWithin)) return 0;
  const widest = base.kind() === 'ipv4' ? 8 : 32;
  return bits < widest ? 1 : 2 ** (widest - 8 - bits);
}

function network(wanted: string): Test | undefined {
  const range = readNetwork(wanted);
  if (!range) return undefined;
  const [base, bits] = range;
  return (asked) => {
    const address = readAddress(asked);
    // Mapped IPv6 addresses were already converted to IPv4, so the families differ.
    return address !== undefined && address.kind() === base.kind() && address.match(base, bits);
  };
}

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Network = readonly [base: Address, bits: number];

function readAddress(text: string): Address | undefined {
  const bare = text.replace(/%.*$/, '');
  if (!ipaddr.IPv4.isValidFourPartDecimal(bare) && !ipaddr.IPv6.isValid(bare)) return undefined;
  return ipaddr.process(bare);
}

/** A network; a single address is a network of one. */
function readNetwork(text: string): Network | undefined {
  const match = /^([0-9a-fA-F:.]+)(?:\/(\d{1,3}))?$/.exec(text);
  if (!match) return undefined;
  const address = readAddress(match[1]!);
  if (!address) return undefined;
  const isMapped = address.kind() === 'ipv4' && match[1]!.includes(':');
  const most = address.kind() === 'ipv4' ? 32 : 128;
  const bits = match[2] === undefined ? most : Number(match[2]) - (isMapped ? 96 : 0);
  return bits >= 0 && bits <= most ? [address, bits] : undefined;
}

/** Each of the six parts of an ARN is compared separately and may have wildcards. */
function arn(wanted: string, variables: boolean): Test | undefined {
  if (wanted === '*') return () => true;
  const parts = arnParts(wanted);
  if (parts?.[0] !== 'arn') return undefined;
  const tests = parts.map((part) => like(part, variables));
  if (!tests.every((test) => test !== undefined)) return undefined;
  return (asked, valueOf) => {
    const actual = arnParts(asked);
    return actual !== undefined && actual.every((part, at) => tests[at]!(part, valueOf));
  };
}

/** Colons inside a variable, or after the fifth, do not separate parts. */
function arnParts(text: string): string[] | undefined {
  const pieces = text.match(/\$\{[^}]*\}|[^:]|:/g) ?? [];
  const parts = [''];
  for (const piece of pieces) {
    if (piece === ':' && parts.length < 6) parts.push('');
    else parts.push(`${parts.pop()!}${piece}`);
  }
  return parts.length === 6 ? parts : undefined;
}

function readNumber(text: string): number | undefined {
  return /^-?\d{1,15}(?:\.\d{1,10})?$/.test(text) ? Number(text) : undefined;
}

/** An ISO 8601 date, or seconds since the epoch, in milliseconds. */
function readDate(text: string): number | undefined {
  if (/^\d{1,12}$/.test(text) && text.length !== 4) return Number(text) * 1000;
  const form = /^\d{4}(?:-\d\d(?:-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?)?)?$/;
  if (!form.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}

function readBool(text: string): boolean | undefined {
  const lower = text.toLowerCase();
  return lower === 'true' ? true : lower === 'false' ? false : undefined;
}

function readBinary(text: string): Buffer | undefined {
  const form = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
  return form.test(text) ? Buffer.from(text, 'base64') : undefined;
}
