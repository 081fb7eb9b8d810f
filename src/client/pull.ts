/** The whole way of a download: which bytes, the bytes through whatever the line does, and whether they are the right ones. */
import { Blobs, type BlobHead } from './blobs.ts';
import { StowageError, throwIfAborted } from './error.ts';
import { Backoff, type Patience } from './retry.ts';
import type { Session } from './session.ts';
import type { Sink } from './sink.ts';
import type { Incoming } from './transport.ts';

export interface PullProgress {
  readonly phase: 'receiving' | 'checking';
  /** Bytes of the sink. */
  readonly done: number;
  readonly total: number;
  /** Bytes that were there from an earlier run. */
  readonly resumedFrom: number;
}

export interface PullOptions {
  /** Which version; the newest unless told. */
  readonly version?: number | undefined;
  /** The first byte wanted; 0 unless told. With another one the sha512 cannot be checked. */
  readonly offset?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: PullProgress) => void;
  /** Told of each fault that is borne. */
  readonly onTrouble?: (error: StowageError) => void;
}

export interface Pulled {
  readonly blob: string;
  /** Bytes of the whole blob. */
  readonly size: number;
  /** Hex; of the whole blob, as the server says. */
  readonly sha512: string;
  /** Whether what was received has that sha512; false only with an offset. */
  readonly verified: boolean;
  /** Bytes that were there from an earlier run. */
  readonly resumedFrom: number;
  /** Bytes that came over the line. */
  readonly received: number;
  readonly mediaType: string;
}

/**
 * Downloads the artifact `ref` (name or uuid), or the blob of that uuid, into `sink`.
 *
 * @throws StowageError digest_mismatch when the bytes are not what the server says they are; what was written is then gone.
 */
export async function pull(
  session: Session,
  patience: Patience,
  ref: string,
  sink: Sink,
  options: PullOptions = {},
): Promise<Pulled> {
  try {
    const blobs = new Blobs(session.bearing(patience));
    const head = await resolve(blobs, ref, options);
    const from = options.offset ?? 0;
    if (from > head.size)
      throw new StowageError('out_of_range', `the file has only ${head.size} bytes`, { details: { size: head.size } });
    const opened: Opened = {
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

/** Bytes that can be had from any offset. */
export interface Opened {
  readonly size: number;
  /** Hex. */
  readonly sha512: string;
  /** What every answer must have for an ETag; undefined where that is not known. */
  readonly tag: string | undefined;
  /** The bytes from `at` on. One try only. */
  open(at: number, signal?: AbortSignal): Promise<Incoming>;
}

/**
 * Receives into `sink`, and gives the bytes their name once they are found to be right.
 *
 * @throws StowageError digest_mismatch
 */
export async function receive(
  sink: Sink,
  opened: Opened,
  from: number,
  patience: Patience,
  options: PullOptions,
): Promise<Pick<Pulled, 'resumedFrom' | 'received'>> {
  const fetch = (): Promise<Fetched> => fetchInto(sink, opened, from, patience, options);
  const first = await fetch();
  // What an earlier run left was not what it seemed, as after a power cut: once more, from the start.
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
  /** Whether the bytes are right, as far as that can be told. */
  readonly right: boolean;
}

async function fetchInto(
  sink: Sink,
  head: Opened,
  from: number,
  patience: Patience,
  options: PullOptions,
): Promise<Fetched> {
  const resumedFrom = await sink.begin({ sha512: head.sha512, size: head.size, from });
  const received = await new Receiving(head, from, sink, resumedFrom, patience, options).run();
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

/** Fills the sink. */
class Receiving {
  readonly #head: Opened;
  readonly #from: number;
  readonly #sink: Sink;
  readonly #resumedFrom: number;
  readonly #backoff: Backoff;
  readonly #options: PullOptions;
  #done: number;
  #received = 0;

  constructor(head: Opened, from: number, sink: Sink, resumedFrom: number, patience: Patience, options: PullOptions) {
    this.#head = head;
    this.#from = from;
    this.#sink = sink;
    this.#resumedFrom = resumedFrom;
    this.#backoff = new Backoff(patience);
    this.#options = options;
    this.#done = resumedFrom;
  }

  /** Answers how many bytes came over the line. */
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

/** How many bytes of the answer come before byte `at`: 0 unless something on the way does not know ranges. */
function start(status: number, range: string | undefined, etag: string | undefined, head: Opened, at: number): number {
  if (head.tag !== undefined && etag !== undefined && etag.replace(/^W\//, '') !== head.tag)
    throw new StowageError('protocol', 'the content changed since the download began');
  if (status === 200) return at;
  const first = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(range ?? '')?.[1];
  if (status === 206 && Number(first) === at) return 0;
  throw new StowageError('protocol', `the server sent other bytes than those requested from ${at}`, { status });
}
