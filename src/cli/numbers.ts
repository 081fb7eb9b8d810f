import { InvalidArgumentError } from 'commander';

/** An option's value as a whole number from 0 on. @throws InvalidArgumentError, which the command line explains. */
export function wholeNumber(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number)) throw new InvalidArgumentError('It is not a whole number.');
  return number;
}
