/** Texts of a policy that stand for others: `*`, `?` and policy variables such as `${aws:username}`. */

/** Values of a condition key of the request, by lower-case name; undefined where the request has no such key. */
export type ValueOf = (key: string) => readonly string[] | undefined;

/** Whether a text of the request fits. */
export type Pattern = (text: string, valueOf: ValueOf) => boolean;

interface Variable {
  readonly key: string;
  readonly otherwise: string | undefined;
}

const MANY = Symbol('*');
const ONE = Symbol('?');

type Symbols = typeof MANY | typeof ONE;
/** A character, or what stands for some. */
type Token = string | Symbols;
type Piece = Token | Variable;

export interface PatternOptions {
  /** Whether `*` and `?` stand for other characters. */
  readonly wildcards: boolean;
  /** Says whether a key may be used as a variable; absent where policies have no variables, as in those of 2008. */
  readonly isVariable: ((key: string) => boolean) | undefined;
  readonly ignoreCase?: boolean;
}

/** @returns undefined for a text with a variable that there is not. */
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

/** `${*}`, `${?}` and `${$}` are these characters themselves. */
function readVariable(text: string, isVariable: (key: string) => boolean): string | Variable | undefined {
  if (text === '*' || text === '?' || text === '$') return text;
  const match = /^([^,\s']+)(?:\s*,\s*'([^']*)')?$/.exec(text);
  const key = match?.[1]!.toLowerCase();
  return key !== undefined && isVariable(key) ? { key, otherwise: match![2] } : undefined;
}

/** Fills variables in, as plain characters; undefined where the request has no such value: the text then fits nothing. */
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

/** Whether a text fits tokens; takes time in proportion to the product of their lengths at the worst, and no stack. */
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
