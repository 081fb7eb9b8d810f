import { Refusal, type Reason } from '../../core/refusal.ts';

/** Problem types (RFC 9457) of resumable uploads, and one for the media type. */
const registry = 'https://iana.org/assignments/http-problem-types#';

export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  readonly body: Readonly<Record<string, string | number>>;
  readonly headers: Readonly<Record<string, string | number>>;

  private constructor(
    status: number,
    type: string,
    title: string,
    details: Readonly<Record<string, number>> = {},
    headers: Record<string, string | number> = {},
  ) {
    super(title);
    this.status = status;
    this.body = { type: type === '' ? 'about:blank' : `${registry}${type}`, title, status, ...details };
    this.headers = headers;
  }

  /** The refusal for a request outside of the draft. */
  plain(): Refusal {
    const { type: _, title: __, status, ...details } = this.body;
    const reasons: Partial<Record<number, Reason>> = { 409: 'conflict', 413: 'too_large' };
    return new Refusal(reasons[Number(status)] ?? 'malformed', this.message, details);
  }

  static mismatchingOffset(expected: number, provided: number): Problem {
    const details = { 'expected-offset': expected, 'provided-offset': provided };
    return new Problem(409, 'mismatching-upload-offset', 'the offset is not the end of the upload', details, {
      'Upload-Offset': expected,
      'Upload-Complete': '?0',
    });
  }

  /** @param status 413 if more bytes arrived than were declared */
  static inconsistentLength(status: 400 | 413 = 400): Problem {
    return new Problem(status, 'inconsistent-upload-length', 'the request contradicts the length of the upload');
  }

  static wrongType(wanted: string): Problem {
    return new Problem(415, '', `the Content-Type must be ${wanted}`, {}, { 'Accept-Patch': wanted });
  }
}
