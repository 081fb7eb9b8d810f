/** Parsers of option values. */
import { InvalidArgumentError } from 'commander';
import { parseBytes } from '../kit/bytes.ts';

/** Parses a whole number from 0 on. @throws InvalidArgumentError, which commander prints */
export function wholeNumber(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number)) throw new InvalidArgumentError('It is not a whole number.');
  return number;
}

/** Parses bytes: `1GiB`, `500kB` or `4096`. @throws InvalidArgumentError */
export function byteCount(text: string): number {
  const bytes = parseBytes(text);
  if (bytes === undefined) throw new InvalidArgumentError('It is not an amount of bytes like 4096 or 1.5GiB.');
  return bytes;
}
