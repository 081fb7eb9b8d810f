/** The error type of the client library. */

/** Values of `code` in the server's error bodies. */
const serverCodes = [
  'malformed',
  'unauthenticated',
  'forbidden',
  'not_found',
  'conflict',
  'offset_mismatch',
  'digest_mismatch',
  'too_large',
  'interrupted',
  'superseded',
  'not_ready',
  'precondition',
  'out_of_range',
  'full',
  'over_quota',
  'throttled',
  'unavailable',
  'lost',
] as const;

type ServerCode = (typeof serverCodes)[number];

export type StowageCode =
  | ServerCode
  /** The server failed without a code. */
  | 'internal'
  /** The server is unreachable, or the connection was cut. */
  | 'network'
  /** No bytes moved for too long. */
  | 'timeout'
  /** The caller's signal fired. */
  | 'aborted'
  /** The response is not one of a Stowage server. */
  | 'protocol'
  /** The source changed since its upload began. */
  | 'source_changed'
  /** The server needs bytes of a stream that are no longer buffered. */
  | 'source_spent'
  /** Another process on this machine uses the same file. */
  | 'occupied';

const retryableCodes: ReadonlySet<StowageCode> = new Set([
  'network',
  'timeout',
  'interrupted',
  'superseded',
  'not_ready',
  'throttled',
  'unavailable',
  'internal',
]);

/** Codes for responses without a known code, such as those of a proxy. */
const byStatus: ReadonlyMap<number, StowageCode> = new Map([
  [400, 'malformed'],
  [401, 'unauthenticated'],
  [403, 'forbidden'],
  [404, 'not_found'],
  [406, 'not_ready'],
  [408, 'timeout'],
  [409, 'conflict'],
  [410, 'not_found'],
  [412, 'precondition'],
  [413, 'too_large'],
  [416, 'out_of_range'],
  [425, 'unavailable'],
  [429, 'throttled'],
  [500, 'internal'],
  [502, 'unavailable'],
  [503, 'unavailable'],
  [504, 'unavailable'],
  [507, 'full'],
]);

export interface StowageErrorOptions {
  /** HTTP status, if there was a response. */
  readonly status?: number;
  readonly details?: Readonly<Record<string, unknown>>;
  /** Milliseconds that the server asks to wait before the next try. */
  readonly retryAfter?: number;
  /** The server's request id, for its logs. */
  readonly requestId?: string;
  /** Whether the server itself set the code. Otherwise it is derived from the status, perhaps a proxy's. */
  readonly fromServer?: boolean;
  readonly cause?: unknown;
}

export class StowageError extends Error {
  readonly code: StowageCode;
  readonly status: number | undefined;
  /** Additional facts, such as `offset` of an `offset_mismatch`. */
  readonly details: Readonly<Record<string, unknown>>;
  readonly retryAfter: number | undefined;
  readonly requestId: string | undefined;
  readonly fromServer: boolean;

  constructor(code: StowageCode, sentence: string, options: StowageErrorOptions = {}) {
    super(sentence, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'StowageError';
    this.code = code;
    this.status = options.status;
    this.details = options.details ?? {};
    this.retryAfter = options.retryAfter;
    this.requestId = options.requestId;
    this.fromServer = options.fromServer ?? false;
  }

  /** Whether the same request may succeed later without a change. */
  get retryable(): boolean {
    return retryableCodes.has(this.code) || (this.code === 'full' && this.retryAfter !== undefined);
  }

  /** The form for `--json` and logs. */
  toJSON(): Record<string, unknown> {
    return {
      error: this.message,
      code: this.code,
      ...(this.status === undefined ? {} : { status: this.status }),
      ...(this.requestId === undefined ? {} : { request_id: this.requestId }),
      ...(Object.keys(this.details).length === 0 ? {} : { details: this.details }),
    };
  }
}

/** The server's code if it is a known one, else a code for the status. */
export function codeOf(status: number, word: unknown): { readonly code: StowageCode; readonly fromServer: boolean } {
  const known = serverCodes.find((code) => code === word);
  if (known) return { code: known, fromServer: true };
  return { code: byStatus.get(status) ?? (status >= 500 ? 'internal' : 'protocol'), fromServer: false };
}

/** The error for a fired signal. */
export function abortedError(signal?: AbortSignal): StowageError {
  return new StowageError('aborted', 'stopped on request', { cause: signal?.reason });
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(signal);
}
