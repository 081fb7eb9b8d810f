/** Text that may be kept as a name, a key or a value: Unicode, without control characters. */

const control = /\p{Cc}/u;
/** Every control character but tab, line feed and carriage return. */
const controlInLines = /[^\P{Cc}\t\n\r]/u;

/**
 * What is wrong with a text; undefined for nothing.
 *
 * @param lines whether the text may have several lines.
 */
export function textFault(text: string, lines = false): string | undefined {
  if (!text.isWellFormed()) return 'half of a surrogate pair, which is not a character';
  const found = (lines ? controlInLines : control).exec(text)?.[0];
  return found === undefined
    ? undefined
    : `the control character U+${found.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
}

/** Whether a database can keep a text as it is: SQLite's driver cuts text at U+0000, and PostgreSQL refuses it. */
export function isStorable(text: string): boolean {
  return !text.includes('\u0000') && text.isWellFormed();
}

/** The text that bytes are in UTF-8, a byte order mark included; undefined when they are not UTF-8. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
