/** Patterns in policies: `*`, `?` and variables such as `${aws:username}`. */

/** Values of a condition key by lower-case name; undefined if the request lacks the key. */
export type ValueOf = (key: string) => readonly string[] | undefined;

/** Whether a text of the request matches. */
export type Pattern = (text: string, valueOf: ValueOf) => boolean;

interface Variable {
  readonly key: string;
  readonly otherwise: string | undefined;
}

const MANY = Symbol('*');
const ONE = Symbol('?');

type Symbols = typeof MANY | typeof ONE;
/** A character or a wildcard. */
type Token = string | Symbols;
type Piece = Token | Variable;

export interface PatternOptions {
  /** Whether `*` and `?` are wildcards. */
  readonly wildcards: boolean;
  /** Whether a key is valid as a variable; absent for policies of version 2008, which have no variables. */
  readonly isVariable: ((key: string) => boolean) | undefined;
  readonly ignoreCase?: boolean;
}

/** @returns undefined for a text with an unknown variable */
export function compilePattern(text: string, options: PatternOptions): Pattern | undefined {
  const { wildcards, isVariable, ignoreCase = false } = options;
  const pieces: Piece[] = [];
  for (let at = 0; at < text.length; at += 1) {
    if (isVariable && text.startsWith('${', at)) {
      const end = text.indexOf('}', at);
      const piece = end < 0 ? undefined : readVariable(text.slice(at + 2, end), isVariable);
      if (piece === undefined) return undefined;
      pieces.push(piece);
      at = end;
    } else {
      const character = text[at]!;
      pieces.push(wildcards && character === '*' ? MANY : wildcards && character === '?' ? ONE : character);
    }
  }
  const fold = (one: string): string => (ignoreCase ? one.toLowerCase() : one);
  return (asked, valueOf) => {
    const tokens = resolve(pieces, valueOf, fold);
    return tokens !== undefined && fits(tokens, fold(asked));
  };
}

/** `${*}`, `${?}` and `${$}` are the literal characters. */
function readVariable(text: string, isVariable: (key: string) => boolean): string | Variable | undefined {
  if (text === '*' || text === '?' || text === '$') return text;
  const match = /^([^,\s']+)(?:\s*,\s*'([^']*)')?$/.exec(text);
  const key = match?.[1]!.toLowerCase();
  return key !== undefined && isVariable(key) ? { key, otherwise: match![2] } : undefined;
}

/** Expands variables to literal characters; undefined if a value is missing, and then nothing matches. */
function resolve(
  pieces: readonly Piece[],
  valueOf: ValueOf,
  fold: (text: string) => string,
): readonly Token[] | undefined {
  const tokens: Token[] = [];
  for (const piece of pieces) {
    if (typeof piece === 'object') {
      const values = valueOf(piece.key);
      const value = values?.length === 1 ? values[0] : piece.otherwise;
      if (value === undefined) return undefined;
      tokens.push(...fold(value));
    } else {
      tokens.push(typeof piece === 'string' ? fold(piece) : piece);
    }
  }
  return tokens;
}

/** Matches in time proportional to the product of the lengths at worst, without recursion. */
function fits(tokens: readonly Token[], text: string): boolean {
  const characters = text.split('');
  let [p, t, star, mark] = [0, 0, -1, 0];
  while (t < characters.length) {
    if (p < tokens.length && (tokens[p] === ONE || tokens[p] === characters[t])) {
      p += 1;
      t += 1;
    } else if (p < tokens.length && tokens[p] === MANY) {
      star = p;
      mark = t;
      p += 1;
    } else if (star >= 0) {
      p = star + 1;
      mark += 1;
      t = mark;
    } else {
      return false;
    }
  }
  while (tokens[p] === MANY) p += 1;
  return p === tokens.length;
}
