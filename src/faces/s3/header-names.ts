/** Headers with a meaning in S3, which form fields may replace. Those that an operation does not read are refused. */
import { notImplemented, S3Error } from './errors.ts';

export const body = ['x-amz-checksum-*'];
export const grantHeaders = ['x-amz-acl', 'x-amz-grant-*'];
const lockHeaders = ['x-amz-object-lock-mode', 'x-amz-object-lock-retain-until-date', 'x-amz-object-lock-legal-hold'];
export const newObjectHeaders = [
  'x-amz-meta-*',
  'x-amz-storage-class',
  'x-amz-tagging',
  ...grantHeaders,
  ...lockHeaders,
];

/**
 * @param names in lower case
 * @param listed headers that the operation reads; a trailing `*` matches any suffix
 * @throws S3Error `NotImplemented` for a header with a meaning in S3 that is not listed, `InvalidToken`
 */
export function demandListed(names: Iterable<string>, listed: readonly string[]): void {
  for (const name of names) {
    if (name === 'x-amz-security-token') throw new S3Error('InvalidToken');
    if (!words.test(name) && !conditions.has(name)) continue;
    if (!listed.some((one) => (one.endsWith('*') ? name.startsWith(one.slice(0, -1)) : one === name)))
      throw notImplemented({ Header: name });
  }
}

/** First words of S3's headers. S3 ignores other `x-amz-` headers as well. */
const words = new RegExp(
  '^x-amz-(?:abort|acl|algorithm|annotation|bucket|bypass|checksum|client|confirm|content|copy|create|credential|' +
    'decoded|delete|encryption|event|expected|expires|expiration|fwd|grant|id|if|lock|max|meta|metadata|mfa|missing|' +
    'mp|object|optional|part|rename|replication|request|restore|retain|retention|sdk|security|server|signature|' +
    'signedheaders|skip|source|storage|tag|tagging|tags|trailer|transition|version|website|write)(?:-|$)',
);

/** HTTP headers that make a request conditional or partial. */
const conditions: ReadonlySet<string> = new Set([
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
  'range',
  'content-range',
]);
