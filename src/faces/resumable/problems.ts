/** The two problems (RFC 9457) that resumable uploads have names for. */
const registry = 'https://iana.org/assignments/http-problem-types#';

export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  readonly body: Readonly<Record<string, string | number>>;
  readonly headers: Readonly<Record<string, string | number>>;

  private constructor(status: number, type: string, title: string, details: Readonly<Record<string, number>> = {}, headers: Record<string, string | number> = {}) {
    super(title);
    this.status = status;
    this.body = { type: `${registry}${type}`, title, status, ...details };
    this.headers = headers;
  }

  static mismatchingOffset(expected: number, provided: number): Problem {
    const details = { 'expected-offset': expected, 'provided-offset': provided };
    return new Problem(409, 'mismatching-upload-offset', 'the offset is not where the upload ends', details, { 'Upload-Offset': expected, 'Upload-Complete': '?0' });
  }

  static inconsistentLength(): Problem {
    return new Problem(400, 'inconsistent-upload-length', 'what is said of the upload\'s length does not agree');
  }
}
