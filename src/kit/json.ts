/** A strict JSON parser for untrusted input: it refuses documents that two parsers may read differently. */
import { textFault } from './text.ts';

/** Why a text is refused. The message is a predicate whose subject is the text. */
export class JsonFault extends Error {
  override readonly name = 'JsonFault';
  /** Whether the fault is a forbidden character in a string. */
  readonly ofText: boolean;

  constructor(sentence: string, ofText = false) {
    super(sentence);
    this.ofText = ofText;
  }
}

/** Maximum nesting depth. */
const deepest = 32;
/** White space, punctuation, or a number or literal. */
const token = /[ \t\n\r]+|[{}[\]:,]|[^ \t\n\r"{}[\]:,]+/y;

/**
 * Parses one JSON document (RFC 8259).
 *
 * Also refuses duplicate names, the name `__proto__`, more than 32 levels, integers beyond 2^53, numbers beyond a
 * double, lone surrogates, all control characters in names, and in strings those other than tab, line feed and carriage
 * return.
 *
 * @throws JsonFault
 */
export function parseJson(text: string): unknown {
  const value = parse(text);
  checkTokens(text);
  return value;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new JsonFault('is not JSON');
  }
}

/** Checks what `JSON.parse` accepts but this parser refuses. The text is valid JSON. */
function checkTokens(text: string): void {
  /** The names seen in each open object; undefined for an array. */
  const open: (Set<string> | undefined)[] = [];
  let before = '';
  for (let at = 0; at < text.length;) {
    const found = tokenAt(text, at);
    at += found.length;
    if (found === '{' || found === '[') {
      if (open.length >= deepest) throw new JsonFault(`has more than ${deepest} levels`);
      open.push(found === '{' ? new Set() : undefined);
    } else if (found === '}' || found === ']') open.pop();
    else if (found.startsWith('"'))
      checkString(JSON.parse(found) as string, before === '{' || before === ',' ? open.at(-1) : undefined);
    else if (/^[-\d]/.test(found)) checkNumber(Number(found));
    if (found.trim() !== '') before = found;
  }
}

/** A loop scans strings: a regular expression with a repeated alternative overflows the stack on long ones. */
function tokenAt(text: string, at: number): string {
  if (text.charAt(at) === '"') {
    let end = at + 1;
    while (text.charAt(end) !== '"') end += text.charAt(end) === '\\' ? 2 : 1;
    return text.slice(at, end + 1);
  }
  token.lastIndex = at;
  return token.exec(text)![0];
}

/** @param names the names of the enclosing object if the string is a member name; undefined for a value */
function checkString(text: string, names: Set<string> | undefined): void {
  const fault = textFault(text, names === undefined);
  if (fault !== undefined) throw new JsonFault(`has a ${names ? 'name' : 'string'} with ${fault}`, true);
  if (!names) return;
  if (text === '__proto__') throw new JsonFault('has the name __proto__');
  if (names.has(text)) throw new JsonFault(`names ${JSON.stringify(text.slice(0, 100))} twice`);
  names.add(text);
}

function checkNumber(value: number): void {
  if (Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))) return;
  throw new JsonFault('has a number that is too large to be kept exactly');
}
