/** The state of an upload in the header fields of draft-ietf-httpbis-resumable-upload. */
import type { Core } from '../core/index.ts';
import type { Upload } from '../core/records.ts';

/** The fields of an upload. Only a sealed upload is complete: until then it can still be refused. */
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
 * `Upload-Limit`: the size limits and the seconds until this upload expires if it stays idle.
 *
 * @param most maximum bytes of the caller's capability, if there is one
 */
export function uploadLimit(core: Core, upload?: Upload, most = Infinity): string {
  const until = upload ? core.uploads.expiresAt(upload) : null;
  const age = until === null ? '' : `,max-age=${Math.max(0, Math.floor((until - core.clock.now()) / 1000))}`;
  return `max-size=${Math.min(most, core.uploads.limits.maxSize)},min-size=0${age}`;
}
