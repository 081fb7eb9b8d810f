/** What the words of a command line stand for. */
import { InvalidArgumentError } from 'commander';
import { parseBytes } from '../kit/bytes.ts';

/** An option's value as a whole number from 0 on. @throws InvalidArgumentError, which the command line explains. */
export function wholeNumber(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number)) throw new InvalidArgumentError('It is not a whole number.');
  return number;
}

/** An option's value as bytes: `1GiB`, `500kB` or `4096`. @throws InvalidArgumentError. */
export function byteCount(text: string): number {
  const bytes = parseBytes(text);
  if (bytes === undefined) throw new InvalidArgumentError('It is not an amount of bytes like 4096 or 1.5GiB.');
  return bytes;
}
