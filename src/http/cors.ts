import type { RequestHandler } from 'express';

/** Response headers that a page may read besides the CORS-safelisted ones. */
const exposed = [
  'Accept-Ranges',
  'Content-Digest',
  'Content-Disposition',
  'Content-Range',
  'ETag',
  'Idempotency-Replayed',
  'Link',
  'Location',
  'Repr-Digest',
  'Retry-After',
  'Tus-Checksum-Algorithm',
  'Tus-Extension',
  'Tus-Max-Size',
  'Tus-Resumable',
  'Tus-Version',
  'Upload-Complete',
  'Upload-Concat',
  'Upload-Defer-Length',
  'Upload-Expires',
  'Upload-Length',
  'Upload-Limit',
  'Upload-Metadata',
  'Upload-Offset',
  'X-Artifact-UUID',
  'X-Artifact-Version',
  'X-Blob-Size',
  'X-Blob-UUID',
  'X-Request-ID',
].join(', ');
const methods = 'GET, HEAD, POST, PUT, PATCH, DELETE';
/** Seconds that a browser may cache a preflight; browsers cap it at this or less. */
const memory = 7200;
const fieldNames = /^[\w!#$%&'*+.^`|~-]+(?: ?, ?[\w!#$%&'*+.^`|~-]+)*$/;

/**
 * Allows pages of these origins to use the API; `*` means any.
 *
 * Requests are authenticated by a token that the page must have, never by a cookie, so that any page can do no more
 * than any other client.
 */
export function crossOrigin(origins: readonly string[]): RequestHandler {
  const any = origins.includes('*');
  return (req, res, next) => {
    const { origin } = req.headers;
    if (!any) res.vary('Origin');
    if (origin === undefined || !(any || origins.includes(origin))) return next();
    res.setHeader('Access-Control-Allow-Origin', any ? '*' : origin);
    const asked = req.headers['access-control-request-method'];
    if (req.method !== 'OPTIONS' || asked === undefined) {
      res.setHeader('Access-Control-Expose-Headers', exposed);
      return next();
    }
    res.locals['route'] = 'preflight';
    res.locals['quiet'] = true;
    const fields = req.headers['access-control-request-headers'];
    res.setHeader('Access-Control-Allow-Methods', methods);
    if (fields !== undefined && fieldNames.test(fields)) res.setHeader('Access-Control-Allow-Headers', fields);
    res.setHeader('Access-Control-Max-Age', memory);
    res.status(204).end();
  };
}
