/** Formats times and tables for people; sizes are in `kit/bytes`. */

/** Milliseconds as `0:42` or `1:05:09`. */
export function formatSpan(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const two = (n: number): string => String(n).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** Seconds since the epoch as `2025-01-31 12:00:00` UTC; `-` for no time. */
export function formatTime(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '-';
  return new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ');
}

/** Milliseconds as `0.4 s` or `1:05`. */
export function formatTook(ms: number): string {
  return ms < 9_950 ? `${(ms / 1000).toFixed(1)} s` : formatSpan(ms);
}

export type Cell = string | number | undefined;

/** A table. Numbers and sizes are aligned right. Control characters are escaped. */
export function formatTable(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const isNumeric = (cell: Cell): boolean => typeof cell === 'number' || /^[\d.]+ [KMGTP]?i?B$/.test(cell ?? '');
  const numeric = head.map((_, at) => rows.some((row) => isNumeric(row[at])));
  const lines = [head, ...rows.map((row) => row.map((cell) => printable(String(cell ?? '-'))))];
  const widths = head.map((_, at) => Math.max(...lines.map((line) => (line[at] ?? '').length)));
  const pad = (text: string, at: number): string =>
    numeric[at] ? text.padStart(widths[at]!) : text.padEnd(widths[at]!);
  return lines.map((line) => line.map(pad).join('  ').trimEnd()).join('\n');
}

/** One `name  value` line per fact. */
export function formatFacts(facts: readonly (readonly [string, Cell])[]): string {
  const width = Math.max(...facts.map(([name]) => name.length));
  return facts.map(([name, value]) => `${name.padEnd(width)}  ${printable(String(value ?? '-'))}`).join('\n');
}

/** Escapes control and bidirectional characters: names from other users must not control the terminal. */
export function printable(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Quotes a word for a shell. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
