/** The keys under which files of releases are put. */
import { Refusal } from '../refusal.ts';

/** What a segment of a key is made of. */
export interface Place {
  readonly product: string;
  readonly version: string;
  readonly platform: string;
  readonly id: string;
}

/** @throws Refusal `malformed` for a part of which nothing is left. */
export function fileKey(place: Place, fileName: string): string {
  return `${filePrefix(place)}${segment('filename', fileName)}`;
}

/** What every key of a file of that release, platform and id begins with. */
export function filePrefix({ product, version, platform, id }: Place): string {
  return `releases/${segment('product', product)}/${segment('version', version)}/${segment('platform', platform)}/${id}/`;
}

/**
 * A text as a segment: letters in lower case, digits, dots, dashes and underscores, and one underscore for any other character.
 *
 * @param field what it is called where it is refused.
 * @throws Refusal `malformed`
 */
export function segment(field: string, text: string): string {
  const kept = Array.from(required(field, text), (character) =>
    /^[A-Za-z0-9._-]$/.test(character) ? character.toLowerCase() : '_',
  ).join('');
  if (/^_+$/.test(kept)) throw new Refusal('malformed', `${field} is invalid`);
  return kept;
}

/** A text that must say something. @throws Refusal `malformed` */
export function required(field: string, text: string): string {
  const trimmed = text.trim();
  if (trimmed === '') throw new Refusal('malformed', `${field} is required`);
  return trimmed;
}
