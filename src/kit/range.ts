/** The `Range` field of a request (RFC 9110 section 14.2), for one range of bytes. */

/** Bytes `first` to `last`, both included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * The one range that the field asks of a thing of `size` bytes.
 *
 * @returns undefined where the field is to be ignored: another unit, several ranges, or nonsense; `unsatisfiable`
 *   when it makes sense and no byte of the thing lies in it.
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
  // The last bytes of nothing are all of it, and no range can name them (RFC 9110 section 14.1.2).
  if (size === 0) return undefined;
  return { first: Math.max(0, size - length), last: size - 1 };
}
