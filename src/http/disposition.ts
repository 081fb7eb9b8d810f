/** Response headers that keep stored bytes from running as active content on this origin. */

/** Types that browsers display without running code; all others are downloaded. */
const harmless: ReadonlySet<string> = new Set([
  'text/plain',
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/webp',
  'image/avif',
  'image/bmp',
  'audio/mpeg',
  'audio/mp4',
  'audio/ogg',
  'audio/wav',
  'audio/webm',
  'audio/flac',
  'audio/aac',
  'video/mp4',
  'video/ogg',
  'video/webm',
  'video/mpeg',
  'video/quicktime',
]);

export interface ContentHeaders {
  readonly type: string;
  readonly disposition: string;
}

/** The headers for bytes of a media type with a file name. */
export function contentHeaders(mediaType: string, name: string): ContentHeaders {
  const bare = mediaType.split(';', 1)[0]!.trim().toLowerCase();
  const inline = harmless.has(bare);
  return {
    type: inline ? (bare === 'text/plain' ? 'text/plain; charset=utf-8' : bare) : 'application/octet-stream',
    disposition: `${inline ? 'inline' : 'attachment'}; ${fileName(name)}`,
  };
}

/** A `filename` parameter (RFC 6266): in ASCII, plus the exact name if that differs. */
export function fileName(name: string): string {
  // Path separators, control characters and bidirectional controls are replaced.
  const clean =
    name
      .toWellFormed()
      .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}/\\]/gu, '_')
      .trim() || 'data';
  const plain = clean.replaceAll(/[^\u0020-\u007e]|["%;]/g, '_');
  const exact = encodeURIComponent(clean).replaceAll(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return plain === clean ? `filename="${plain}"` : `filename="${plain}"; filename*=UTF-8''${exact}`;
}
