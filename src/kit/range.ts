/** The `Range` header (RFC 9110 section 14.2) for a single byte range. */

/** Bytes `first` to `last`, both inclusive. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * Parses the range that a request asks of a representation of `size` bytes.
 *
 * @returns undefined if the header must be ignored (another unit, several ranges, bad syntax); `unsatisfiable` if the
 *   range is valid but contains no byte
 */
export function parseRange(field: string, size: number): ByteRange | 'unsatisfiable' | undefined {
  const match = /^bytes[ \t]*=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(field);
  if (!match) return undefined;
  const [, from = '', to = ''] = match;
  if (from === '') return to === '' ? undefined : suffix(Number(to), size);
  const first = Number(from);
  const last = to === '' ? Number.POSITIVE_INFINITY : Number(to);
  if (last < first) return undefined;
  if (first >= size) return 'unsatisfiable';
  return { first, last: Math.min(last, size - 1) };
}

function suffix(length: number, size: number): ByteRange | 'unsatisfiable' | undefined {
  if (length === 0) return 'unsatisfiable';
  // A suffix range covers all of an empty representation, yet has no first byte (RFC 9110 section 14.1.2).
  if (size === 0) return undefined;
  return { first: Math.max(0, size - length), last: size - 1 };
}
