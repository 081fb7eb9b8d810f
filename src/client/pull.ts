/** Downloads: resolves the blob, receives its bytes with retries, and checks them. */
import { Blobs, type BlobHead } from './blobs.ts';
import { StowageError, throwIfAborted } from './error.ts';
import { Backoff, type Patience } from './retry.ts';
import type { Session } from './session.ts';
import type { Sink } from './sink.ts';
import type { TransportAnswer } from './transport.ts';

export interface PullProgress {
  readonly phase: 'receiving' | 'checking';
  /** Bytes in the sink. */
  readonly done: number;
  readonly total: number;
  /** Bytes that an earlier run had received. */
  readonly resumedFrom: number;
}

export interface PullOptions {
  /** The version; default: the newest. */
  readonly version?: number | undefined;
  /** First byte to download; default 0. With another offset the sha512 cannot be checked. */
  readonly offset?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: PullProgress) => void;
  /** Called with each error that is retried. */
  readonly onTrouble?: (error: StowageError) => void;
}

export interface Pulled {
  readonly blob: string;
  /** Bytes of the whole blob. */
  readonly size: number;
  /** sha512 of the whole blob in hex, as reported by the server. */
  readonly sha512: string;
  /** Whether the received bytes have that sha512; false only with an offset. */
  readonly verified: boolean;
  /** Bytes that an earlier run had received. */
  readonly resumedFrom: number;
  /** Bytes that this run received. */
  readonly received: number;
  readonly mediaType: string;
}

/**
 * Downloads the artifact `ref` (name or uuid), or the blob with that uuid, into `sink`.
 *
 * @throws StowageError digest_mismatch if the bytes do not match the server's digest; what was written is discarded
 */
export async function pull(
  session: Session,
  patience: Patience,
  ref: string,
  sink: Sink,
  options: PullOptions = {},
): Promise<Pulled> {
  try {
    const blobs = new Blobs(session.withPatience(patience));
    const head = await resolve(blobs, ref, options);
    const from = options.offset ?? 0;
    if (from > head.size)
      throw new StowageError('out_of_range', `the file has only ${head.size} bytes`, { details: { size: head.size } });
    const opened: OpenedDownload = {
      size: head.size,
      sha512: head.sha512,
      tag: `"${head.sha512}"`,
      open: (at, signal) => blobs.open(head, at, signal),
    };
    const fetched = await receive(sink, opened, from, patience, options);
    return {
      blob: head.uuid,
      size: head.size,
      sha512: head.sha512,
      verified: from === 0,
      mediaType: head.mediaType,
      ...fetched,
    };
  } finally {
    await sink.close();
  }
}

/** A content that can be read from any offset. */
export interface OpenedDownload {
  readonly size: number;
  /** Hex. */
  readonly sha512: string;
  /** ETag that every response must have; undefined if it is unknown. */
  readonly tag: string | undefined;
  /** Opens the bytes from `at` on. Does not retry. */
  open(at: number, signal?: AbortSignal): Promise<TransportAnswer>;
}

/**
 * Receives into `sink`, and commits it if the bytes are correct.
 *
 * @throws StowageError digest_mismatch
 */
export async function receive(
  sink: Sink,
  opened: OpenedDownload,
  from: number,
  patience: Patience,
  options: PullOptions,
): Promise<Pick<Pulled, 'resumedFrom' | 'received'>> {
  const fetch = (): Promise<Fetched> => fetchInto(sink, opened, from, patience, options);
  const first = await fetch();
  // The bytes of the earlier run were corrupt, for example after a power cut: start over once.
  const last = !first.right && first.resumedFrom > 0 ? await fetch() : first;
  if (!last.right)
    throw new StowageError(
      'digest_mismatch',
      'the received bytes do not have the checksum that the server named; they were deleted',
    );
  await sink.commit();
  return { resumedFrom: last.resumedFrom, received: last === first ? last.received : first.received + last.received };
}

interface Fetched {
  readonly resumedFrom: number;
  readonly received: number;
  /** Whether the digest matches; true if it cannot be checked. */
  readonly right: boolean;
}

async function fetchInto(
  sink: Sink,
  head: OpenedDownload,
  from: number,
  patience: Patience,
  options: PullOptions,
): Promise<Fetched> {
  const resumedFrom = await sink.begin({ sha512: head.sha512, size: head.size, from });
  const received = await new Download(head, from, sink, resumedFrom, patience, options).run();
  if (from > 0) return { resumedFrom, received, right: true };
  const found = await sink.sha512((done) =>
    options.onProgress?.({ phase: 'checking', done, total: head.size, resumedFrom }),
  );
  const right = found === head.sha512;
  if (!right) await sink.discard();
  return { resumedFrom, received, right };
}

async function resolve(blobs: Blobs, ref: string, { version, signal }: PullOptions): Promise<BlobHead> {
  try {
    return await blobs.headOf(ref, version, signal);
  } catch (error) {
    const isUuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(ref);
    if (!isUuid || version !== undefined || !(error instanceof StowageError) || error.code !== 'not_found') throw error;
    return await blobs.head(ref, signal);
  }
}

/** Fills the sink, with retries. */
class Download {
  readonly #head: OpenedDownload;
  readonly #from: number;
  readonly #sink: Sink;
  readonly #resumedFrom: number;
  readonly #backoff: Backoff;
  readonly #options: PullOptions;
  #done: number;
  #received = 0;

  constructor(
    head: OpenedDownload,
    from: number,
    sink: Sink,
    resumedFrom: number,
    patience: Patience,
    options: PullOptions,
  ) {
    this.#head = head;
    this.#from = from;
    this.#sink = sink;
    this.#resumedFrom = resumedFrom;
    this.#backoff = new Backoff(patience);
    this.#options = options;
    this.#done = resumedFrom;
  }

  /** @returns the number of bytes received */
  async run(): Promise<number> {
    const { signal } = this.#options;
    const wanted = this.#head.size - this.#from;
    let reached = this.#done;
    this.#tell();
    while (this.#done < wanted) {
      try {
        await this.#receive(wanted);
      } catch (error) {
        throwIfAborted(signal);
        if (!(error instanceof StowageError) || !error.retryable) throw error;
        this.#options.onTrouble?.(error);
        this.#done = await this.#sink.written();
        if (this.#done > reached) this.#backoff.reset();
        reached = Math.max(reached, this.#done);
        await this.#backoff.wait(error, signal);
      }
    }
    return this.#received;
  }

  async #receive(wanted: number): Promise<void> {
    const at = this.#from + this.#done;
    const answer = await this.#head.open(at, this.#options.signal);
    let skip = 0;
    try {
      skip = start(answer.status, answer.header('content-range'), answer.header('etag'), this.#head, at);
    } catch (error) {
      answer.discard();
      throw error;
    }
    for await (const piece of answer.body) {
      this.#received += piece.byteLength;
      const bytes = skip === 0 ? piece : piece.subarray(Math.min(skip, piece.byteLength));
      skip -= piece.byteLength - bytes.byteLength;
      if (bytes.byteLength === 0) continue;
      if (this.#done + bytes.byteLength > wanted)
        throw new StowageError('protocol', 'the server sent more bytes than the file has');
      await this.#sink.write(bytes);
      this.#done += bytes.byteLength;
      this.#tell();
    }
    if (this.#done < wanted) throw new StowageError('network', 'the answer ended early');
  }

  #tell(): void {
    this.#options.onProgress?.({
      phase: 'receiving',
      done: this.#done,
      total: this.#head.size - this.#from,
      resumedFrom: this.#resumedFrom,
    });
  }
}

/** Number of bytes to skip in the response before byte `at`: 0, unless a proxy ignored the range. */
function start(
  status: number,
  range: string | undefined,
  etag: string | undefined,
  head: OpenedDownload,
  at: number,
): number {
  if (head.tag !== undefined && etag !== undefined && etag.replace(/^W\//, '') !== head.tag)
    throw new StowageError('protocol', 'the content changed since the download began');
  if (status === 200) return at;
  const first = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(range ?? '')?.[1];
  if (status === 206 && Number(first) === at) return 0;
  throw new StowageError('protocol', `the server sent other bytes than those requested from ${at}`, { status });
}
