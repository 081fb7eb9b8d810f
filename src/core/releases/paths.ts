/** Object keys of release files. */
import { Refusal } from '../refusal.ts';

/** The parts of a key. */
export interface ReleasePath {
  readonly product: string;
  readonly version: string;
  readonly platform: string;
  readonly id: string;
}

/** @throws Refusal `malformed` if a segment is empty or invalid */
export function fileKey(place: ReleasePath, fileName: string): string {
  return `${filePrefix(place)}${segment('filename', fileName)}`;
}

/** The key prefix of a file of that release, platform and id. */
export function filePrefix({ product, version, platform, id }: ReleasePath): string {
  return `releases/${segment('product', product)}/${segment('version', version)}/${segment('platform', platform)}/${id}/`;
}

/**
 * Converts a text to a key segment: lower-case letters, digits, `.`, `-`, `_`; others become underscores.
 *
 * @param field name in the refusal
 * @throws Refusal `malformed`
 */
export function segment(field: string, text: string): string {
  const kept = Array.from(required(field, text), (character) =>
    /^[A-Za-z0-9._-]$/.test(character) ? character.toLowerCase() : '_',
  ).join('');
  if (/^_+$/.test(kept)) throw new Refusal('malformed', `${field} is invalid`);
  return kept;
}

/** A text that must not be blank. @throws Refusal `malformed` */
export function required(field: string, text: string): string {
  const trimmed = text.trim();
  if (trimmed === '') throw new Refusal('malformed', `${field} is required`);
  return trimmed;
}
