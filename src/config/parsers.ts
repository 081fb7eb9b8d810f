/** The parsed value of a setting, or why its text is invalid. */
import ipaddr from 'ipaddr.js';
import { validate } from 'node-cron';
import { parseBytes } from '../kit/bytes.ts';
import { parseDuration } from '../kit/durations.ts';

export type Parsed<T> = { readonly value: T } | { readonly fault: string };

export interface Setting<T> {
  readonly name: string;
  /** The default, as text; undefined if the setting has none. */
  readonly otherwise: string | undefined;
  readonly read: (text: string) => Parsed<T>;
  readonly sentence: string;
  /** The value of an empty setting, if that differs from an unset one. */
  readonly blank?: T;
}

/** Settings by their key in the configuration. */
export type Settings<T> = { readonly [key in keyof T]-?: Setting<T[key]> };

export function words(text: string): Parsed<string> {
  return text.includes('\0') ? { fault: 'must not have a NUL character' } : { value: text };
}

export function address(text: string): Parsed<string> {
  return /^[A-Za-z0-9.:_-]{1,253}$/.test(text) ? { value: text } : { fault: 'must be an address or a host name' };
}

export function nodeName(text: string): Parsed<string> {
  return /^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$/.test(text)
    ? { value: text }
    : { fault: 'must be 1 to 63 letters, digits, dots and dashes' };
}

/** The error does not repeat the value, because it is a secret. */
export function secret(text: string): Parsed<string> {
  if (text.length < 12 || text.length > 1024) return { fault: 'must have 12 to 1,024 characters' };
  if (
    new Set(text).size < 5 ||
    /^(?:password|changeme|change-me|secret|stowage|shakenfist|administrator)[\d!.]*$/i.test(text)
  ) {
    return { fault: 'is a key that is easy to guess' };
  }
  return { value: text };
}

export function whole(least: number, most: number): (text: string) => Parsed<number> {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    return value >= least && value <= most ? { value } : { fault: `must be a whole number from ${least} to ${most}` };
  };
}

export function webAddress(text: string): Parsed<string> {
  return URL.canParse(text) && /^https?:\/\//i.test(text)
    ? { value: text.replace(/\/+$/, '') }
    : { fault: 'must be a URL like https://www.example.org' };
}

/** A URL that paths are appended to. */
export function baseAddress(text: string): Parsed<string> {
  const reading = webAddress(text);
  if ('fault' in reading) return reading;
  const { search, hash, username, password } = new URL(text);
  return search || hash || username || password
    ? { fault: 'must be a URL without user name, query or fragment' }
    : reading;
}

export function portOrOff(text: string): Parsed<number | null> {
  return text === 'off' ? { value: null } : whole(0, 65_535)(text);
}

export function keyId(text: string): Parsed<string> {
  return /^[A-Za-z0-9_-]{3,128}$/.test(text)
    ? { value: text }
    : { fault: 'must be 3 to 128 letters, digits, dashes and underscores' };
}

export function bytes(text: string): Parsed<number> {
  const value = parseBytes(text);
  return value === undefined ? { fault: 'must be a size like 256MiB or 1.5 GB' } : { value };
}

export function positiveBytes(text: string): Parsed<number> {
  const reading = bytes(text);
  return 'value' in reading && reading.value === 0 ? { fault: 'must be more than 0' } : reading;
}

export function duration(least: number): (text: string) => Parsed<number> {
  return (text) => {
    const value = parseDuration(text);
    if (value === undefined) return { fault: 'must be a duration like 90s, 15m, 24h or 7d' };
    return value < least ? { fault: `must be at least ${least} ms` } : { value };
  };
}

export function oneOf<T extends string>(...values: readonly T[]): (text: string) => Parsed<T> {
  return (text) => {
    const value = values.find((one) => one === text);
    return value === undefined ? { fault: `must be one of ${values.join(', ')}` } : { value };
  };
}

export function origins(text: string): Parsed<readonly string[]> {
  if (text === 'off') return { value: [] };
  const listed = text.split(',').map((one) => one.trim());
  const lawful = (one: string): boolean => one === '*' || (URL.canParse(one) && new URL(one).origin === one);
  return listed.every(lawful) ? { value: listed } : { fault: 'must be origins like https://ci.example.org, * or off' };
}

/** Addresses and networks, separated by commas; `off` for none. */
export function networks(text: string): Parsed<readonly string[]> {
  if (text === 'off') return { value: [] };
  const listed = text.split(',').map((one) => one.trim());
  const lawful = (one: string): boolean => ipaddr.isValid(one) || ipaddr.isValidCIDR(one);
  return listed.every(lawful)
    ? { value: listed }
    : { fault: 'must be addresses or networks like 10.0.0.0/8, with commas between, or off' };
}

export function cron(text: string): Parsed<string> {
  // node-cron expands a range before it checks the bounds; 0-9007199254740993 would be fatal.
  return text === 'off' || (!/\d{3}/.test(text) && validate(text))
    ? { value: text }
    : { fault: 'must be a cron line like */10 * * * *, or off' };
}

/** Any value that a header can carry; the token was chosen by another system, so its strength is not checked. */
export function secretToken(text: string): Parsed<string> {
  return /^[\x21-\x7e]{1,1024}$/.test(text) ? { value: text } : { fault: 'must be at most 1,024 visible characters' };
}

export function seconds(least: number, most: number): (text: string) => Parsed<number> {
  return (text) => {
    const reading = whole(least, most)(text);
    return 'value' in reading ? { value: reading.value * 1000 } : { fault: `must be ${least} to ${most} seconds` };
  };
}

export function yesOrNo(text: string): Parsed<boolean> {
  const value = ['true', '1', 'yes'].includes(text.toLowerCase());
  return value || ['false', '0', 'no'].includes(text.toLowerCase()) ? { value } : { fault: 'must be true or false' };
}
