/** Sends what is left of a source into an upload, through whatever the line does. */
import { StowageError, throwIfAborted } from './error.ts';
import type { Pace } from './pace.ts';
import { Backoff, type Patience } from './retry.ts';
import type { Source } from './source.ts';
import type { Uploads } from './uploads.ts';

export interface SendOptions {
  readonly pace: Pace;
  readonly patience: Patience;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds of silence to bear. */
  readonly idle: number;
  /** Told the offset that was reached, as far as bytes have left; goes back after a cut. */
  readonly onProgress: (offset: number) => void;
  /** Told of each fault that is borne. */
  readonly onTrouble?: ((error: StowageError) => void) | undefined;
}

/** How a source was sent. */
export interface Sent {
  /** Where it began. */
  readonly from: number;
  /** Size of the upload, which then holds the whole source. */
  readonly size: number;
  /** Bytes that left for it, those that had to leave twice counted twice. */
  readonly bytes: number;
}

/**
 * Sends the bytes that the upload lacks.
 *
 * @param from the upload's offset where that is certain, as for a new one; else the server is asked, which also makes
 *   whoever still writes let go, such as a process that died without the server's knowing.
 *
 * After every fault the server is asked for the true offset, so that nothing is sent twice that has arrived.
 */
export async function send(
  uploads: Pick<Uploads, 'offset' | 'append'>,
  upload: string,
  source: Source,
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
      const fault = borne(error, pace);
      options.onTrouble?.(fault);
      offset = offsetIn(fault);
      if (offset === undefined || offset <= reached) await backoff.wait(fault, signal);
    }
  }
}

function settle(source: Source, offset: number): void {
  if (source.size !== undefined && offset > source.size) {
    throw new StowageError('conflict', 'the upload has more bytes than the source', {
      details: { offset, size: source.size },
    });
  }
  source.settle(offset);
}

/** The fault, where another try may help. @throws it where not. */
function borne(error: unknown, pace: Pace): StowageError {
  if (!(error instanceof StowageError)) throw error;
  if (error.retryable) {
    pace.failed();
    return error;
  }
  if (error.code === 'offset_mismatch') return passing(error);
  // Not the server's limit but one on the way: a smaller body may pass.
  if (error.code === 'too_large' && !error.spoken && pace.refused()) return passing(error);
  throw error;
}

/** Mismatches and bodies too large are borne like a busy server: they too must end some time. */
function passing(fault: StowageError): StowageError {
  return new StowageError('unavailable', fault.message, { details: fault.details, cause: fault });
}

/** The offset that a mismatch tells. */
function offsetIn(fault: StowageError): number | undefined {
  const offset = fault.details['offset'];
  return typeof offset === 'number' && Number.isSafeInteger(offset) && offset >= 0 ? offset : undefined;
}
