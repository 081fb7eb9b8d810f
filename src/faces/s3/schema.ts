/**
 * Schemas of XML documents. Unknown, repeated or missing elements are refused, because a document that is read in part
 * would be applied in part.
 */
import { S3Error } from './errors.ts';
import { malformed, parse, type Node } from './xml.ts';

/** Parses an element. @throws S3Error if it is invalid */
export type Reader<T> = (node: Node) => T;

/** Parses all children of one name. */
interface Field<T> {
  readonly read: (found: readonly Node[]) => T;
}

type Fields = Readonly<Record<string, Field<unknown>>>;
type Read<F extends Fields> = { readonly [Name in keyof F]: F[Name] extends Field<infer T> ? T : never };

/** A document type. */
export interface Document<T> {
  readonly root: string;
  /** Maximum bytes. */
  readonly size: number;
  readonly read: Reader<T>;
}

/** Parses a document. @throws S3Error `MalformedXML`, or a more specific code */
export function readAs<T>({ root, read }: Document<T>, textNode: string): T {
  const node = parse(textNode);
  if (node.name !== root) throw malformed(`The document must be a ${root}.`);
  return read(node);
}

export const KiB = 1024;

export function documentOf<T>(root: string, read: Reader<T>, size = 64 * KiB): Document<T> {
  return { root, size, read };
}

/** An element with only child elements. */
export function record<F extends Fields>(fields: F, check?: (value: Read<F>) => void): Reader<Read<F>> {
  return (node) => {
    if (node.text.trim() !== '') throw malformed(`${node.name} must not hold text.`);
    const stray = node.children.find(({ name }) => !Object.hasOwn(fields, name));
    if (stray) throw malformed(`${node.name} must not hold ${stray.name}.`);
    const value = Object.fromEntries(
      Object.entries(fields).map(([name, { read }]) => {
        try {
          return [name, read(node.children.filter((child) => child.name === name))] as const;
        } catch (error) {
          throw error instanceof Occurrence ? malformed(`${node.name} must hold ${error.message} ${name}.`) : error;
        }
      }),
    ) as Read<F>;
    check?.(value);
    return value;
  };
}

/** Too many or too few elements. */
class Occurrence extends Error {}

export function one<T>(read: Reader<T>): Field<T> {
  return {
    read: ([first, ...more]) => {
      if (!first || more.length > 0) throw new Occurrence('one');
      return read(first);
    },
  };
}

export function maybe<T>(read: Reader<T>): Field<T | undefined> {
  return {
    read: ([first, ...more]) => {
      if (more.length > 0) throw new Occurrence('at most one');
      return first && read(first);
    },
  };
}

export function many<T>(read: Reader<T>, least = 0, most = Infinity): Field<T[]> {
  return {
    read: (found) => {
      if (found.length < least || found.length > most)
        throw new Occurrence(found.length < least ? `at least ${least}` : `at most ${most}`);
      return found.map(read);
    },
  };
}

/** A feature of S3 that this server lacks. It is still parsed, so that invalid input is reported as such. */
export function unavailable(read: Reader<unknown>, why: string): Field<undefined> {
  return {
    read: (found) => {
      for (const node of found) read(node);
      if (found.length > 0) throw new S3Error('NotImplemented', why);
      return undefined;
    },
  };
}

/** Unmodified text. */
export const text: Reader<string> = (node) => {
  if (node.children.length > 0) throw malformed(`${node.name} must hold text alone.`);
  return node.text;
};

/** Text without surrounding white space. */
export const tokenText: Reader<string> = (node) => text(node).trim();

export const anything: Reader<undefined> = () => undefined;

/** xs:boolean */
export const boolean: Reader<boolean> = (node) => {
  const value = tokenText(node);
  if (value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  throw malformed(`${node.name} must be true or false.`);
};

/** xs:int */
export const integer: Reader<number> = (node) => {
  const value = tokenText(node);
  const number = /^[+-]?\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw malformed(`${node.name} must be an integer.`);
  return number;
};

export function choice<const T extends string>(...values: readonly T[]): Reader<T> {
  return (node) => {
    const value = tokenText(node);
    const found = values.find((each) => each === value);
    if (found === undefined) throw malformed(`${node.name} must be one of ${values.join(', ')}.`);
    return found;
  };
}

/** xs:dateTime, as milliseconds since the epoch. */
export const dateTime: Reader<number> = (node) => {
  const at = timeOf(tokenText(node));
  if (at === undefined) throw malformed(`${node.name} must be a time in ISO 8601 format.`);
  return at;
};

/** Milliseconds since the epoch; undefined unless it is an ISO 8601 time with a zone. */
export function timeOf(value: string): number | undefined {
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/.test(value)
    ? Date.parse(value)
    : Number.NaN;
  return Number.isNaN(at) || at > lastMoment ? undefined : at;
}

/** A zone offset can lead into the year 10000, which responses cannot express. */
const lastMoment = Date.UTC(10_000, 0) - 1;

/** A time in HTTP or ISO 8601 format. */
export const anyTime: Reader<number> = (node) => {
  const value = tokenText(node);
  const at =
    timeOf(value) ??
    (/^[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(value) ? Date.parse(value) : Number.NaN);
  if (Number.isNaN(at)) throw malformed(`${node.name} must be a time.`);
  return at;
};

/** An ETag without quotes. */
export const etag: Reader<string> = (node) => tokenText(node).replaceAll('"', '');
