/** Pushes a source: look-up by digest, upload, publication. A repeated push resumes. */
import { Artifacts, type PublishOptions } from './artifacts.ts';
import { Blobs } from './blobs.ts';
import { StowageError, type StowageCode } from './error.ts';
import type { JournalClaim, Journal, JournalEntry } from './journal.ts';
import { Pace, type PaceOptions } from './pace.ts';
import type { Patience } from './retry.ts';
import { sendUpload, type Sent } from './send.ts';
import { defaultIdle, type Session } from './session.ts';
import type { UploadSource } from './source.ts';
import { Uploads } from './uploads.ts';
import type { ArtifactView, UploadView } from './views.ts';

export interface PushProgress {
  readonly phase: 'hashing' | 'sending' | 'finishing';
  /** Bytes. */
  readonly done: number;
  /** Bytes; undefined for a stream of unknown size. */
  readonly total: number | undefined;
  /** Bytes that the server had when sending began. */
  readonly resumedFrom: number;
}

export interface PushOptions extends Pick<
  PublishOptions,
  'type' | 'shared' | 'namespace' | 'maxVersions' | 'sourceUrl'
> {
  /** Whether to send nothing if the server knows the sha512; default true. Needs a source that can be read twice. */
  readonly dedup?: boolean;
  /** An open upload to resume. Its bytes must be a prefix of the source. */
  readonly upload?: string | undefined;
  /** Stops as soon as possible. Received bytes are kept, and a repeated push resumes. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: PushProgress) => void;
  /** Called with each error that is retried. */
  readonly onTrouble?: (error: StowageError) => void;
  readonly pace?: PaceOptions;
  /** Milliseconds without traffic after which a connection counts as dead. */
  readonly idle?: number;
}

export interface Pushed {
  readonly artifact: ArtifactView;
  readonly version: number;
  readonly blob: string;
  readonly size: number;
  /** Hex. */
  readonly sha512: string;
  /** Whether the server had the bytes, so that none were sent. */
  readonly deduplicated: boolean;
  /** Bytes that an earlier push had sent. */
  readonly resumedFrom: number;
  /** Bytes sent, including repeats. */
  readonly sent: number;
}

/** Milliseconds without a change after which an upload counts as abandoned. */
const abandonedAfter = 10_000;

/** An upload to resume. */
interface Start {
  readonly upload: string;
  readonly sealed: boolean;
  readonly sha512: string | undefined;
}

/**
 * Pushes `source` as the newest version of the artifact `name`.
 *
 * @throws StowageError source_changed if the source changed; digest_mismatch if the uploaded bytes differ from it,
 *   twice
 */
export async function push(
  session: Session,
  patience: Patience,
  journal: Journal | undefined,
  source: UploadSource,
  name: string,
  options: PushOptions,
): Promise<Pushed> {
  const key = source.mark && [
    'push',
    session.url,
    session.namespace ?? '',
    options.namespace ?? '',
    name,
    source.mark.place,
  ];
  const claim = key && journal ? await journal.claim(key) : undefined;
  if (key && journal && !claim) {
    options.onTrouble?.(
      new StowageError('occupied', 'another process pushes the same file; this push cannot resume if it stops'),
    );
  }
  const pushing = new Pushing(session.withPatience(patience), patience, claim, source, name, options);
  try {
    return await pushing.run();
  } finally {
    await claim?.release();
    await source.close();
  }
}

class Pushing {
  readonly #session: Session;
  readonly #patience: Patience;
  readonly #claim: JournalClaim | undefined;
  readonly #source: UploadSource;
  readonly #name: string;
  readonly #options: PushOptions;
  readonly #uploads: Uploads;
  readonly #artifacts: Artifacts;
  #resumedFrom = 0;
  #current: string | undefined;
  #allSent = false;
  #joined = false;

  constructor(
    session: Session,
    patience: Patience,
    claim: JournalClaim | undefined,
    source: UploadSource,
    name: string,
    options: PushOptions,
  ) {
    this.#session = session;
    this.#patience = patience;
    this.#claim = claim;
    this.#source = source;
    this.#name = name;
    this.#options = options;
    this.#uploads = new Uploads(session);
    this.#artifacts = new Artifacts(session);
  }

  async run(): Promise<Pushed> {
    const start =
      this.#options.upload === undefined
        ? await this.#recall(this.#claim?.entry)
        : await this.#named(this.#options.upload);
    let sha512 = start?.sha512;
    if ((this.#options.dedup ?? true) && this.#source.rereadable && !start?.sealed) {
      sha512 ??= await this.#hash();
      const found = await this.#attach(sha512);
      if (found) {
        await this.#forget(start?.upload);
        return found;
      }
    }
    try {
      return await this.#upload(start, sha512);
    } catch (error) {
      if (!this.#source.rereadable || !(await this.#worthAnother(error, start))) throw error;
      // The journal was wrong, or the upload is gone: retry once without it.
      return await this.#upload(undefined, undefined);
    }
  }

  /** Looks up the upload of an earlier push, if the source is unchanged. */
  async #recall(entry: JournalEntry | undefined): Promise<Start | undefined> {
    if (!entry) return undefined;
    if (entry.stamp !== this.#source.mark?.stamp || entry.size !== this.#source.size) {
      await this.#forget(entry.upload);
      return undefined;
    }
    const upload = await this.#find(entry.upload);
    if (!upload || upload.state === 'dropped') return undefined;
    return { upload: upload.uuid, sealed: upload.state === 'sealed', sha512: entry.sha512 };
  }

  /** The upload that the caller named. */
  async #named(uuid: string): Promise<Start> {
    const { state } = await this.#uploads.get(uuid, this.#options.signal);
    if (state !== 'created') throw new StowageError('conflict', 'the upload accepts no more bytes');
    return { upload: uuid, sealed: false, sha512: undefined };
  }

  /** Finds an abandoned upload of the same bytes, perhaps of another machine. */
  async #join(sha512: string): Promise<string | undefined> {
    for await (const { uuid, receiving, length, touched_at: touched } of this.#uploads.promised(
      sha512,
      this.#options.signal,
    )) {
      if (
        !receiving &&
        (length === null || length === this.#source.size) &&
        touched * 1000 < Date.now() - abandonedAfter
      )
        return uuid;
    }
    return undefined;
  }

  async #hash(): Promise<string> {
    this.#tell('hashing', 0);
    return await this.#source.sha512((done) => this.#tell('hashing', done), this.#options.signal);
  }

  /** Publishes a blob with this digest; undefined if the caller sees none. */
  async #attach(sha512: string): Promise<Pushed | undefined> {
    const blobs = new Blobs(this.#session);
    const blob = await blobs.find('sha512', sha512, this.#options.signal);
    if (!blob) return undefined;
    this.#tell('finishing', blob.size);
    try {
      const artifact = await this.#artifacts.publish(
        this.#name,
        { blob: blob.uuid },
        { ...this.#options, sha512, size: blob.size },
      );
      return pushed(artifact, { size: blob.size, sha512, deduplicated: true, resumedFrom: 0, sent: 0 });
    } catch (error) {
      // The blob may have been deleted or quarantined meanwhile. Any other refusal would apply to an upload too.
      if (!isCode(error, 'not_found', 'lost')) throw error;
      if (isCode(error, 'not_found') && (await blobs.find('sha512', sha512, this.#options.signal))) throw error;
      return undefined;
    }
  }

  async #upload(start: Start | undefined, known: string | undefined): Promise<Pushed> {
    const { signal } = this.#options;
    // Without a look-up, the hash is computed during the upload.
    const stop = new AbortController();
    const hashing =
      known === undefined
        ? this.#source.sha512((done) => this.#allSent && this.#tell('hashing', done), either(signal, stop.signal))
        : Promise.resolve(known);
    hashing.catch(() => {});
    let upload = start?.upload;
    this.#allSent = false;
    try {
      upload ??= await this.#joinOrBegin(known);
      this.#current = upload;
      await this.#remember(upload, known);
      const sent = start?.sealed
        ? alreadySealed(this.#source.size ?? 0)
        : await this.#send(upload, start !== undefined || this.#joined);
      this.#allSent = true;
      return await this.#publish(upload, start?.sealed === true, sent, await hashing);
    } catch (error) {
      stop.abort();
      const useless = !this.#source.rereadable || isCode(error, 'digest_mismatch', 'source_changed');
      if (useless && upload !== this.#options.upload) await this.#forget(upload);
      throw error;
    }
  }

  /** Resumes an abandoned upload of the same bytes, or begins a new one. */
  async #joinOrBegin(sha512: string | undefined): Promise<string> {
    const found = sha512 === undefined ? undefined : await this.#join(sha512);
    this.#joined = found !== undefined;
    return found ?? (await this.#uploads.begin(this.#source.size, sha512, this.#options.signal)).uuid;
  }

  /** Publishes a complete upload as a version. */
  async #publish(upload: string, sealed: boolean, { size, from, bytes }: Sent, sha512: string): Promise<Pushed> {
    if (!(await this.#source.unchanged()))
      throw new StowageError('source_changed', 'the source changed during the upload');
    this.#tell('finishing', size);
    const artifact = await this.#artifacts.publish(this.#name, { upload }, { ...this.#options, sha512, size });
    if (sealed && artifact.state !== 'created')
      throw new StowageError('conflict', 'the artifact that the upload became was deleted');
    await this.#claim?.clear();
    return pushed(artifact, { size, sha512, deduplicated: false, resumedFrom: from, sent: bytes });
  }

  #send(upload: string, resumed: boolean): Promise<Sent> {
    const { signal, onTrouble, pace, idle } = this.#options;
    let first = true;
    const onProgress = (offset: number): void => {
      if (first && resumed) this.#resumedFrom = offset;
      first = false;
      this.#tell('sending', offset);
    };
    return sendUpload(this.#uploads, upload, this.#source, resumed ? undefined : 0, {
      pace: new Pace(pace),
      patience: this.#patience,
      idle: idle ?? defaultIdle,
      signal,
      onProgress,
      onTrouble,
    });
  }

  /** Whether a new upload may succeed where this one failed. */
  async #worthAnother(error: unknown, start: Start | undefined): Promise<boolean> {
    if (this.#options.upload !== undefined) return false;
    if (isCode(error, 'digest_mismatch')) return await this.#source.unchanged();
    if (isCode(error, 'not_found', 'conflict'))
      return (
        this.#joined || start?.sealed === true || (this.#current !== undefined && !(await this.#find(this.#current)))
      );
    return false;
  }

  async #find(upload: string): Promise<UploadView | undefined> {
    try {
      return await this.#uploads.get(upload, this.#options.signal);
    } catch (error) {
      if (isCode(error, 'not_found')) return undefined;
      throw error;
    }
  }

  async #remember(upload: string, sha512: string | undefined): Promise<void> {
    const { mark, size } = this.#source;
    if (!this.#claim || !mark || size === undefined) return;
    const begunAt = this.#claim.entry?.upload === upload ? this.#claim.entry.begunAt : Date.now();
    await this.#claim.write({
      server: this.#session.url,
      namespace: this.#session.namespace ?? '',
      name: this.#name,
      ...mark,
      size,
      upload,
      begunAt,
      ...(sha512 === undefined ? {} : { sha512 }),
    });
  }

  /** Drops an upload that will not be resumed. If the request fails, the server expires it. */
  async #forget(upload: string | undefined): Promise<void> {
    await this.#claim?.clear();
    if (upload === undefined) return;
    const hasty = new Uploads(this.#session.withPatience({ attempts: 1, first: 0, most: 0 }));
    await hasty.drop(upload, AbortSignal.timeout(5000)).catch(() => {});
  }

  #tell(phase: PushProgress['phase'], done: number): void {
    this.#options.onProgress?.({ phase, done, total: this.#source.size, resumedFrom: this.#resumedFrom });
  }
}

/** The result of an upload that is already sealed. */
function alreadySealed(size: number): Sent {
  return { from: size, size, bytes: 0 };
}

function pushed(artifact: ArtifactView, facts: Omit<Pushed, 'artifact' | 'version' | 'blob'>): Pushed {
  return { artifact, version: artifact.index, blob: artifact.blob_uuid ?? '', ...facts };
}

function isCode(error: unknown, ...codes: readonly StowageCode[]): boolean {
  return error instanceof StowageError && codes.includes(error.code);
}

/** A signal that fires when either does. */
function either(one: AbortSignal | undefined, other: AbortSignal): AbortSignal {
  return one ? AbortSignal.any([one, other]) : other;
}
