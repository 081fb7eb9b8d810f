/** Uploads a file into a release: reserves a slot, sends the bytes with retries, and registers the artifact. */
import { StowageError } from '../error.ts';
import { Pace, type PaceOptions } from '../pace.ts';
import type { Platform } from '../platform.ts';
import { artifactNameOf, readRelease, type ReleaseArtifactView, type ReleaseView } from './views.ts';
import { Backoff, type Patience } from '../retry.ts';
import { sendUpload, type Sent } from '../send.ts';
import { defaultIdle, slowIdle, type Session } from '../session.ts';
import type { UploadSource } from '../source.ts';
import { TusUpload } from '../tus.ts';
import { readAnswerText } from '../transport.ts';
import type { PushProgress } from '../push.ts';

export interface ReleaseUploadOptions {
  readonly platform: string;
  /** File name of downloads. */
  readonly filename: string;
  /** Stops as soon as possible; a repeated upload resumes. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: PushProgress) => void;
  /** Called with each error that is retried. */
  readonly onTrouble?: (error: StowageError) => void;
  readonly pace?: PaceOptions;
}

export interface Released {
  readonly artifact: ReleaseArtifactView;
  /** Whether the release had the artifact, so that nothing was sent. */
  readonly there: boolean;
  /** Bytes that an earlier try had sent. */
  readonly resumedFrom: number;
  /** Bytes sent, including repeats. */
  readonly sent: number;
}

/** The upload target of an artifact. */
interface Slot {
  readonly artifact_id: string;
  readonly object_key: string;
  readonly upload_url: string;
  /** Absent if a foreign store has the artifacts; `upload_uuid` likewise. */
  readonly tus_url?: string;
  readonly upload_uuid?: string;
}

export interface ReleaseUploadDeps {
  readonly session: Session;
  readonly platform: Platform;
  readonly patience: Patience;
  readonly release: ReleaseView;
  readonly source: UploadSource;
  readonly options: ReleaseUploadOptions;
}

/** Retries when another client uploads to the same slot. */
const attempts = 2;
/** Bytes hashed at a time. */
const stride = 64 * 1024 * 1024;

export class ReleaseUpload {
  readonly #parts: ReleaseUploadDeps;

  constructor(parts: ReleaseUploadDeps) {
    this.#parts = parts;
  }

  async run(): Promise<Released> {
    const size = sizeOf(this.#parts.source);
    const sha256 = await this.#hash(size);
    const there = this.#among(this.#parts.release, sha256, size);
    if (there) return there;
    // The same file gets the same idempotency key, and so the same slot, from every machine.
    const word = await this.#word(sha256);
    let turn = word;
    for (let left = attempts; ; left -= 1) {
      try {
        return await this.#upload(turn, sha256, size);
      } catch (error) {
        const spoilt =
          error instanceof StowageError &&
          isWord(error, 'checksum_mismatch', 'size_mismatch', 'object_missing', 'idempotency_conflict');
        if (left === 0 || !(spoilt || (error instanceof StowageError && error.code === 'conflict')))
          throw asMismatch(error);
        this.#parts.options.onTrouble?.(error);
        const since = this.#among(await this.#look(), sha256, size);
        if (since) return since;
        // On a conflict another client may just have finished, so look again. A spoilt slot needs a new one.
        turn = spoilt || left === 1 ? crypto.randomUUID() : word;
      }
    }
  }

  async #upload(word: string, sha256: string, size: number): Promise<Released> {
    const slot = await this.#place(word);
    const sent = await this.#send(word, slot, size);
    if (!(await this.#parts.source.unchanged()))
      throw new StowageError('source_changed', 'the file changed during the upload');
    this.#tell('finishing', size, sent.from);
    return {
      artifact: await this.#register(word, slot, sha256, size),
      there: false,
      resumedFrom: sent.from,
      sent: sent.bytes,
    };
  }

  async #hash(size: number): Promise<string> {
    const { source, platform, options } = this.#parts;
    const hash = await platform.newHash('sha256');
    this.#tell('hashing', 0, 0);
    let done = 0;
    while (done < size) {
      const payload = await source.piece(done, stride, options.signal);
      if (!payload) throw new StowageError('source_changed', 'the file became shorter during the upload');
      for await (const piece of payload.pieces()) {
        options.signal?.throwIfAborted();
        hash.update(piece);
        this.#tell('hashing', (done += piece.byteLength), 0);
      }
    }
    return hash.digest();
  }

  /** Idempotency key of the requests for these bytes in this release. */
  async #word(sha256: string): Promise<string> {
    const { release, options, platform } = this.#parts;
    const hash = await platform.newHash('sha256');
    hash.update(new TextEncoder().encode(JSON.stringify([release.id, options.platform, options.filename, sha256])));
    return hash.digest();
  }

  async #place(word: string): Promise<Slot> {
    const { platform, filename } = this.#parts.options;
    const slot = (await this.#ask('presign', `presign ${word}`, { platform, filename })) as Partial<Slot> | null;
    if (
      typeof slot?.artifact_id === 'string' &&
      typeof slot.object_key === 'string' &&
      typeof slot.upload_url === 'string'
    )
      return slot as Slot;
    throw new StowageError('protocol', 'the answer is not an upload URL');
  }

  async #send(word: string, slot: Slot, size: number): Promise<Sent> {
    const { session, source, patience, options } = this.#parts;
    const { tus_url: url, upload_uuid: upload } = slot;
    if (url === undefined || upload === undefined) return await this.#put(word, slot, size);
    let from = -1;
    const onProgress = (offset: number): void => this.#tell('sending', offset, (from = from < 0 ? offset : from));
    const tus = new TusUpload(session.anonymous(), url, size);
    const sent = await sendUpload(tus, upload, source, undefined, {
      pace: new Pace(options.pace),
      patience,
      idle: slowIdle,
      signal: options.signal,
      onProgress,
      onTrouble: options.onTrouble,
    });
    // Reading the offset lets the server seal a complete upload, also if another request sent the last byte.
    await session.withPatience(patience).persist(options.signal, () => tus.offset(upload, options.signal));
    return sent;
  }

  /** Sends everything in one request and restarts on failure: a foreign store may not support resuming. */
  async #put(word: string, first: Slot, size: number): Promise<Sent> {
    const { platform, source, patience, options } = this.#parts;
    const { signal, onTrouble } = options;
    const backoff = new Backoff(patience);
    let bytes = 0;
    for (let slot = first; ; slot = await this.#place(word)) {
      const payload = await source.piece(0, size, signal);
      if (!payload) throw new StowageError('source_changed', 'the file became shorter during the upload');
      const before = bytes;
      const onSent = (count: number): void => this.#tell('sending', (bytes = before + count) - before, 0);
      try {
        const answer = await platform.transport({
          method: 'PUT',
          url: slot.upload_url,
          headers: {},
          body: payload,
          idle: defaultIdle,
          onSent,
          ...(signal ? { signal } : {}),
        });
        await readAnswerText(answer);
        if (answer.status < 300) return { from: 0, size, bytes };
        throw new StowageError(
          answer.status >= 500 || answer.status === 403 ? 'unavailable' : 'protocol',
          `the store answered ${answer.status}`,
          { status: answer.status },
        );
      } catch (error) {
        await backoff.wait(error, signal);
        if (error instanceof StowageError) onTrouble?.(error);
      }
    }
  }

  async #register(
    word: string,
    { artifact_id: id, object_key: key }: Slot,
    checksum: string,
    size: number,
  ): Promise<ReleaseArtifactView> {
    const { platform, filename } = this.#parts.options;
    try {
      await this.#ask(undefined, `register ${word}`, { artifact_id: id, object_key: key, checksum, size, platform });
    } catch (error) {
      // An earlier request already registered it.
      if (!(error instanceof StowageError) || error.status !== 409) throw error;
      const since = this.#among(await this.#look(), checksum, size);
      if (since?.artifact.id !== id) throw error;
    }
    return { id, object_key: key, platform, checksum, size, filename };
  }

  #ask(what: 'presign' | undefined, word: string, json: unknown): Promise<unknown> {
    const { session, patience, release, options } = this.#parts;
    const path = ['v1', 'releases', release.id, 'artifacts', ...(what === undefined ? [] : [what])];
    return session.withPatience(patience).json({
      method: 'POST',
      path,
      json,
      headers: { 'idempotency-key': word },
      signal: options.signal,
      idle: slowIdle,
    });
  }

  async #look(): Promise<ReleaseView> {
    const { session, release, options } = this.#parts;
    return readRelease(
      await session.json({ method: 'GET', path: ['v1', 'releases', release.id], signal: options.signal }),
    );
  }

  /** The artifact with this content, if the release has it. */
  #among({ artifacts }: ReleaseView, sha256: string, size: number): Released | undefined {
    const { platform, filename } = this.#parts.options;
    const artifact = artifacts?.find(
      (one) =>
        one.checksum === sha256 && one.size === size && one.platform === platform && artifactNameOf(one) === filename,
    );
    return artifact && { artifact, there: true, resumedFrom: 0, sent: 0 };
  }

  #tell(phase: PushProgress['phase'], done: number, resumedFrom: number): void {
    this.#parts.options.onProgress?.({ phase, done, total: this.#parts.source.size, resumedFrom });
  }
}

/** @throws StowageError `malformed` if the source cannot be a release artifact */
function sizeOf({ size, rereadable }: UploadSource): number {
  if (size === undefined || !rereadable)
    throw new StowageError('malformed', 'a release artifact must be a file, because its checksum is sent first');
  if (size === 0) throw new StowageError('malformed', 'a release artifact must not be empty');
  return size;
}

function isWord(error: StowageError, ...words: readonly string[]): boolean {
  return words.some((word) => error.details['word'] === word);
}

function asMismatch(error: unknown): unknown {
  if (!(error instanceof StowageError) || !isWord(error, 'checksum_mismatch', 'size_mismatch')) return error;
  return new StowageError('digest_mismatch', error.message, {
    details: error.details,
    cause: error,
    ...(error.status === undefined ? {} : { status: error.status }),
  });
}
