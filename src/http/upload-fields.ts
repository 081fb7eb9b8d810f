/** How an upload stands, in the header fields of resumable uploads (draft-ietf-httpbis-resumable-upload). */
import type { Core } from '../core/index.ts';
import type { Upload } from '../core/records.ts';

/** All that there is to tell. Complete is what has become a version: until then the last word is still to be said. */
export function uploadFields(core: Core, upload: Upload, most?: number): Record<string, string | number> {
  return {
    'Upload-Offset': upload.offset,
    'Upload-Complete': upload.state === 'sealed' ? '?1' : '?0',
    ...(upload.length === null ? {} : { 'Upload-Length': upload.length }),
    'Upload-Limit': uploadLimit(core, upload, most),
    'Cache-Control': 'no-store',
  };
}

/**
 * What bounds uploads, and for how many seconds this one will lie there if nobody touches it.
 *
 * @param most bytes that the caller's capability allows, where there is one.
 */
export function uploadLimit(core: Core, upload?: Upload, most = Infinity): string {
  const until = upload ? core.uploads.expiresAt(upload) : null;
  const age = until === null ? '' : `,max-age=${Math.max(0, Math.floor((until - core.clock.now()) / 1000))}`;
  return `max-size=${Math.min(most, core.uploads.limits.maxSize)},min-size=0${age}`;
}
