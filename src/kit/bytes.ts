/** Parses and formats amounts of bytes. */

const units: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['b', 1],
  ['k', 1024],
  ['kib', 1024],
  ['kb', 1000],
  ['m', 1024 ** 2],
  ['mib', 1024 ** 2],
  ['mb', 1000 ** 2],
  ['g', 1024 ** 3],
  ['gib', 1024 ** 3],
  ['gb', 1000 ** 3],
  ['t', 1024 ** 4],
  ['tib', 1024 ** 4],
  ['tb', 1000 ** 4],
]);

/** Parses `10 GiB`, `1.5G`, `500kB` or `4096`; undefined if the text is invalid or not a safe integer of bytes. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d{1,16}(?:\.\d{1,6})?) ?([a-z]{0,3})$/i.exec(text);
  const unit = match && units.get(match[2]!.toLowerCase());
  if (!unit) return undefined;
  const bytes = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

const names = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** Formats `4096` as `4.0 KiB`. */
export function printBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes;
  let name = 'B';
  for (const next of names) {
    // A value that would round to 1024 uses the next unit.
    if (value < 1023.5) break;
    value /= 1024;
    name = next;
  }
  return `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${name}`;
}
