/** Parses and formats durations. */

const units: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/** Parses `24h`, `90 s`, `1h30m` or `250ms` to milliseconds; undefined if invalid or without a unit. */
export function parseDuration(text: string): number | undefined {
  if (!/^(?:\d{1,9} ?(?:ms|s|m|h|d) ?)+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+) ?(ms|s|m|h|d)/g)) total += Number(amount) * units.get(unit!)!;
  return Number.isSafeInteger(total) ? total : undefined;
}

/** Formats `5400000` as `1h30m`. */
export function printDuration(ms: number): string {
  if (ms === 0) return '0s';
  let rest = ms;
  let text = '';
  for (const [unit, size] of [...units].reverse()) {
    const count = Math.floor(rest / size);
    if (count === 0) continue;
    text += `${count}${unit}`;
    rest -= count * size;
  }
  return text;
}
