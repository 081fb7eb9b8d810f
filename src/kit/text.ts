/** Checks text that is stored as a name, key or value: well-formed Unicode without control characters. */

const control = /\p{Cc}/u;
/** Every control character except tab, line feed and carriage return. */
const controlInLines = /[^\P{Cc}\t\n\r]/u;

/**
 * Describes what is wrong with a text; undefined if it is valid.
 *
 * @param lines whether the text may have several lines
 */
export function textFault(text: string, lines = false): string | undefined {
  if (!text.isWellFormed()) return 'half of a surrogate pair, which is not a character';
  const found = (lines ? controlInLines : control).exec(text)?.[0];
  return found === undefined
    ? undefined
    : `the control character U+${found.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
}

/** Whether a database stores the text unchanged: SQLite's driver cuts text at U+0000, and PostgreSQL refuses it. */
export function isStorable(text: string): boolean {
  return !text.includes('\u0000') && text.isWellFormed();
}

/** Decodes UTF-8 and keeps a byte order mark; undefined if the bytes are not UTF-8. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
