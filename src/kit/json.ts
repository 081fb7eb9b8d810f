/** JSON from strangers: what two readers could take for two different things is refused. */
import { textFault } from './text.ts';

/** Why a text is not taken as JSON: a predicate, whose subject is the text. */
export class JsonFault extends Error {
  override readonly name = 'JsonFault';
  /** Whether a string in it has a character that is not taken. */
  readonly ofText: boolean;

  constructor(sentence: string, ofText = false) {
    super(sentence);
    this.ofText = ofText;
  }
}

/** Lists and objects inside one another. */
const deepest = 32;
/** White space, a mark, or a number or word. */
const token = /[ \t\n\r]+|[{}[\]:,]|[^ \t\n\r"{}[\]:,]+/y;

/**
 * Reads one JSON document (RFC 8259).
 *
 * Refused beside what is no JSON: a member named twice, a member named `__proto__`, more than 32 levels, a whole number
 * beyond 2^53, a number beyond what a double holds, half of a surrogate pair, and control characters other than tab, line
 * feed and carriage return in strings, and any in names.
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

/** What `JSON.parse` passes over, in a text that it took. */
function checkTokens(text: string): void {
  /** For each open level the names so far; undefined for a list. */
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

/** Strings are read by a loop: a regular expression that repeats a choice runs out of stack on a long one. */
function tokenAt(text: string, at: number): string {
  if (text.charAt(at) === '"') {
    let end = at + 1;
    while (text.charAt(end) !== '"') end += text.charAt(end) === '\\' ? 2 : 1;
    return text.slice(at, end + 1);
  }
  token.lastIndex = at;
  return token.exec(text)![0];
}

/** @param names of the object that this string names a member of; undefined for a value. */
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
