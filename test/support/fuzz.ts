/** Fuzzing of parsers: random changes of valid inputs. */
import { setImmediate } from 'node:timers/promises';

/** A violation by a parser. */
export interface Finding {
  readonly parser: string;
  readonly input: string;
  readonly fault: string;
}

export interface Parser {
  readonly name: string;
  /** Inputs that it accepts, or nearly. */
  readonly corpus: readonly string[];
  parse(input: string): unknown;
}

/** Fragments that parsers often mishandle. */
const pieces: readonly string[] = [
  '',
  ' ',
  '\t',
  '\r\n',
  '\n',
  '\0',
  '\u007f',
  '\u0085',
  '\u2028',
  '\ufeff',
  '\ufffd',
  '\uffff',
  '\ud800',
  '\udc00',
  '\u{1f600}',
  '\u00e4',
  '%',
  '%00',
  '%ff',
  '%zz',
  '%25',
  '+',
  '..',
  '../',
  '//',
  '\\',
  '"',
  "'",
  '`',
  '<',
  '>',
  '&',
  '&#0;',
  '&lt;',
  '<!--',
  '<![CDATA[',
  ']]>',
  '<?xml version="1.1"?>',
  '<!DOCTYPE a [<!ENTITY b "c">]>',
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  ';',
  '=',
  '=:',
  ':=',
  '?',
  '?1',
  '*',
  '**',
  '-',
  '--',
  '-0',
  '0',
  '1',
  '9007199254740993',
  '1e999',
  '-1',
  'NaN',
  'Infinity',
  '0x10',
  '99999999999999999999',
  'null',
  'true',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'bytes=',
  'sha-256=:A:',
  'W/"',
  'Thu, 01 Jan 1970 00:00:00 GMT',
  '9999-12-31T23:59:59Z',
  '+275760-09-13T00:00:00Z',
  'A'.repeat(300),
  '\r\n\r\n',
  '0\r\n\r\n',
  ';chunk-signature=',
  '${filename}',
  'arn:aws:s3:::',
  's3:*',
  '/32',
  '::1',
  '127.0.0.1',
  'StringLike',
  'ForAllValues:',
  'IfExists',
  '$content-type',
  'starts-with',
  'content-length-range',
];

/** Makes inputs by mutating members of a corpus. */
export class Mutator {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  next(corpus: readonly string[]): string {
    let text = this.pick(corpus);
    for (let changes = this.below(5); changes > 0; changes -= 1) text = this.#change(text, corpus);
    return text.length > 100_000 ? text.slice(0, 100_000) : text;
  }

  #change(text: string, corpus: readonly string[]): string {
    const [a, b] = [this.below(text.length + 1), this.below(text.length + 1)].toSorted((x, y) => x - y) as [
      number,
      number,
    ];
    switch (this.below(10)) {
      case 0:
        return text.slice(0, a) + text.slice(b);
      case 1:
        return text.slice(0, b) + text.slice(a);
      case 2:
        return text.slice(0, a);
      case 3: {
        const other = this.pick(corpus);
        return text.slice(0, a) + other.slice(this.below(other.length + 1));
      }
      case 4:
        return (
          text.slice(0, a) + String.fromCharCode(this.below(this.below(2) === 0 ? 128 : 65536)) + text.slice(a + 1)
        );
      case 5:
        // Long repetitions expose quadratic parsers.
        return this.below(50) === 0
          ? text.slice(0, a) + (text.slice(a, a + 1 + this.below(20)) || 'x').repeat(2000) + text.slice(a)
          : text.slice(0, a) + this.pick(pieces).repeat(1 + this.below(3)) + text.slice(a);
      default:
        return text.slice(0, a) + this.pick(pieces) + text.slice(this.below(2) === 0 ? a : b);
    }
  }
}

/** Milliseconds that one input may take. */
const longest = 1000;

/**
 * Runs a parser on mutated inputs.
 *
 * @param refuses whether an error is a proper refusal
 * @returns the first findings
 */
export async function fuzz(
  parser: Parser,
  inputs: number,
  mutator: Mutator,
  refuses: (error: unknown) => boolean,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (let round = 0; round < inputs && findings.length < 3; round += 1) {
    // Lets timers of the parser run, which would pile up otherwise.
    if (round % 1000 === 0) await setImmediate();
    const input = mutator.next(parser.corpus);
    let fault = await attempt(parser, input, refuses);
    // Repeats slow inputs, because a busy machine is slow at random.
    for (let again = 0; again < 3 && fault === slow; again += 1) fault = await attempt(parser, input, refuses);
    if (fault !== undefined) findings.push({ parser: parser.name, input: input.slice(0, 500), fault });
  }
  return findings;
}

const slow = `slower than ${longest} ms`;

async function attempt(
  { parse }: Parser,
  input: string,
  refuses: (error: unknown) => boolean,
): Promise<string | undefined> {
  const began = performance.now();
  try {
    const made = parse(input);
    if (made instanceof Promise) await made;
  } catch (error) {
    if (!refuses(error))
      return error instanceof Error ? `${error.name}: ${error.message.slice(0, 200)}` : String(error);
  }
  return performance.now() - began > longest ? slow : undefined;
}
