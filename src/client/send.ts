/** Sends the rest of a source into an upload, with retries. */
import { StowageError, throwIfAborted } from './error.ts';
import type { Pace } from './pace.ts';
import { Backoff, type Patience } from './retry.ts';
import type { UploadSource } from './source.ts';
import type { Uploads } from './uploads.ts';

export interface SendOptions {
  readonly pace: Pace;
  readonly patience: Patience;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds without traffic after which a connection counts as dead. */
  readonly idle: number;
  /** Called with the offset of the bytes sent so far; it decreases after a cut. */
  readonly onProgress: (offset: number) => void;
  /** Called with each error that is retried. */
  readonly onTrouble?: ((error: StowageError) => void) | undefined;
}

/** The result of sending a source. */
export interface Sent {
  /** Offset at which sending began. */
  readonly from: number;
  /** Size of the upload, which then holds the whole source. */
  readonly size: number;
  /** Bytes sent, including repeats. */
  readonly bytes: number;
}

/**
 * Sends the bytes that the upload lacks.
 *
 * @param from the upload's offset if it is certain, as for a new one; otherwise the server is asked, which also fences
 *   any request that still writes, such as one of a dead process
 *
 * After every error the server is asked for the offset, so that no stored byte is sent again.
 */
export async function sendUpload(
  uploads: Pick<Uploads, 'offset' | 'append'>,
  upload: string,
  source: UploadSource,
  from: number | undefined,
  options: SendOptions,
): Promise<Sent> {
  const { pace, signal } = options;
  const backoff = new Backoff(options.patience);
  let offset = from;
  let first: number | undefined;
  let reached = -1;
  let bytes = 0;
  for (;;) {
    try {
      offset ??= await uploads.offset(upload, signal);
      settle(source, offset);
      first ??= offset;
      if (offset > reached) backoff.reset();
      reached = Math.max(reached, offset);
      options.onProgress(offset);
      const payload = await source.piece(offset, pace.next, signal);
      if (!payload) return { from: first, size: offset, bytes };
      const start: number = offset;
      const before = bytes;
      const began = performance.now();
      const onSent = (count: number): void => {
        bytes = before + count;
        options.onProgress(start + count);
      };
      offset = await uploads.append(upload, start, payload, { signal, idle: options.idle, onSent });
      pace.took(payload.size, performance.now() - began);
    } catch (error) {
      throwIfAborted(signal);
      const fault = retryableFault(error, pace);
      options.onTrouble?.(fault);
      offset = offsetIn(fault);
      if (offset === undefined || offset <= reached) await backoff.wait(fault, signal);
    }
  }
}

function settle(source: UploadSource, offset: number): void {
  if (source.size !== undefined && offset > source.size) {
    throw new StowageError('conflict', 'the upload has more bytes than the source', {
      details: { offset, size: source.size },
    });
  }
  source.settle(offset);
}

/** Returns the error if a retry may help. @throws it otherwise */
function retryableFault(error: unknown, pace: Pace): StowageError {
  if (!(error instanceof StowageError)) throw error;
  if (error.retryable) {
    pace.failed();
    return error;
  }
  if (error.code === 'offset_mismatch') return asTemporary(error);
  // The limit is a proxy's, not the server's: a smaller body may pass.
  if (error.code === 'too_large' && !error.fromServer && pace.refused()) return asTemporary(error);
  throw error;
}

/** Makes mismatches and refused sizes retryable errors, so that they count as failed tries. */
function asTemporary(fault: StowageError): StowageError {
  return new StowageError('unavailable', fault.message, { details: fault.details, cause: fault });
}

/** The offset in a mismatch. */
function offsetIn(fault: StowageError): number | undefined {
  const offset = fault.details['offset'];
  return typeof offset === 'number' && Number.isSafeInteger(offset) && offset >= 0 ? offset : undefined;
}
