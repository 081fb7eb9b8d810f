/** Names of headers that S3 gives a meaning, which a form's fields can stand for. One that nothing here reads is refused. */
import { notImplemented, S3Error } from './errors.ts';

export const body = ['x-amz-checksum-*'];
export const grants = ['x-amz-acl', 'x-amz-grant-*'];
const lockHeaders = ['x-amz-object-lock-mode', 'x-amz-object-lock-retain-until-date', 'x-amz-object-lock-legal-hold'];
export const newObject = ['x-amz-meta-*', 'x-amz-storage-class', 'x-amz-tagging', ...grants, ...lockHeaders];

/**
 * @param names in lower case.
 * @param listed the names that are read; one that ends in `*` stands for all that begin so.
 * @throws S3Error `NotImplemented` for a header that has a meaning in S3 and is not listed, `InvalidToken`
 */
export function demandListed(names: Iterable<string>, listed: readonly string[]): void {
  for (const name of names) {
    if (name === 'x-amz-security-token') throw new S3Error('InvalidToken');
    if (!words.test(name) && !conditions.has(name)) continue;
    if (!listed.some((one) => (one.endsWith('*') ? name.startsWith(one.slice(0, -1)) : one === name)))
      throw notImplemented({ Header: name });
  }
}

/** S3's own words for what a header is about. A name of other words means nothing to S3, which ignores it, too. */
const words = new RegExp(
  '^x-amz-(?:abort|acl|algorithm|annotation|bucket|bypass|checksum|client|confirm|content|copy|create|credential|' +
    'decoded|delete|encryption|event|expected|expires|expiration|fwd|grant|id|if|lock|max|meta|metadata|mfa|missing|' +
    'mp|object|optional|part|rename|replication|request|restore|retain|retention|sdk|security|server|signature|' +
    'signedheaders|skip|source|storage|tag|tagging|tags|trailer|transition|version|website|write)(?:-|$)',
);

/** Headers of HTTP under which a request is done in part, or not at all. */
const conditions: ReadonlySet<string> = new Set([
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
  'range',
  'content-range',
]);
