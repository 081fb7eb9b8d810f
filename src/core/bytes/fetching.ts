import { setTimeout as sleep } from 'node:timers/promises';
import { background } from '../../kit/background.ts';
import type { Clock } from '../../kit/clock.ts';
import { SYSTEM, type Artifact, type Event, type Principal, type Upload } from '../../catalog/model.ts';
import type { Artifacts } from '../names/artifacts.ts';
import type { Engine } from '../engine.ts';
import type { Body } from './ingest.ts';
import { pages } from '../paging.ts';
import { Refusal } from '../refusal.ts';
import type { Uploads } from './uploads.ts';

/** Downloads from other servers. */
export interface FetchSource {
  /** @throws Refusal `malformed` or `forbidden` for a URL that is never fetched */
  check(url: string): void;
  /**
   * Opens the URL at `offset`. `etag` is that of the earlier part: if the content changed, `restarted` is true and the
   * body begins at 0.
   *
   * @throws Refusal `not_found` or `forbidden` if a retry is pointless; other errors may be temporary
   */
  open(
    url: string,
    offset: number,
    etag: string | undefined,
    signal: AbortSignal,
  ): Promise<{ body: Body; restarted: boolean; etag: string | undefined; length: number | undefined }>;
}

/** Tries of a fetch, and milliseconds before the first retry, doubled each time. */
const tries = 6;
const firstWait = 1000;
/** Called with a failure that no caller awaits. */
export type OnFault = (what: string, error: unknown) => void;

/** Concurrent fetches. */
const width = 4;

/** Fetches artifacts by URL in the background, into ordinary uploads. */
export class Fetching {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #uploads: Uploads;
  readonly #artifacts: Artifacts;
  readonly #source: FetchSource | undefined;
  readonly #onFault: OnFault;
  readonly #stop = new AbortController();
  readonly #running = new Map<string, Promise<void>>();
  readonly #queue: Artifact[] = [];

  constructor(parts: {
    engine: Engine;
    clock: Clock;
    uploads: Uploads;
    artifacts: Artifacts;
    source: FetchSource | undefined;
    onFault: OnFault;
  }) {
    this.#engine = parts.engine;
    this.#clock = parts.clock;
    this.#uploads = parts.uploads;
    this.#artifacts = parts.artifacts;
    this.#source = parts.source;
    this.#onFault = parts.onFault;
  }

  /**
   * Records an artifact for `url` and starts to fetch it. Its state is `initial` until the bytes are complete.
   *
   * @throws Refusal `malformed` or `forbidden` for a URL that is never fetched
   */
  async begin(who: Principal, url: string, facts: { shared: boolean; namespace: string | null }): Promise<Artifact> {
    if (!this.#source) throw new Refusal('forbidden', 'this server does not fetch from URLs');
    this.#source.check(url);
    const artifact = await this.#artifacts.begin(who, url, facts);
    if (!this.#running.has(artifact.uuid)) this.#enqueue(artifact);
    return artifact;
  }

  /** Resumes unfinished fetches of an earlier process. */
  async resume(): Promise<void> {
    if (!this.#source) return;
    for await (const artifact of pages(
      (page) => this.#engine.catalog.artifacts.pending(page),
      ({ uuid }) => uuid,
    )) {
      this.#enqueue(artifact);
    }
  }

  /** Resolves when nothing is being fetched. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  async close(): Promise<void> {
    this.#queue.length = 0;
    this.#stop.abort();
    await this.idle();
  }

  #enqueue(artifact: Artifact): void {
    this.#queue.push(artifact);
    this.#turn();
  }

  #turn(): void {
    while (this.#running.size < width) {
      const artifact = this.#queue.shift();
      if (!artifact) return;
      const run = background(
        () => this.#fetch(artifact),
        (error) => this.#onFault('a fetch could not be recorded as ended', error),
      ).then(() => {
        this.#running.delete(artifact.uuid);
        this.#turn();
      });
      this.#running.set(artifact.uuid, run);
    }
  }

  /** Fetches one artifact. Any error is recorded as the fault of this artifact. */
  async #fetch(artifact: Artifact): Promise<void> {
    try {
      await this.#fetchInto(artifact);
    } catch (error) {
      // Shutdown is not the artifact's fault: the next start resumes it.
      if (!this.#stop.signal.aborted) await this.#fail(artifact, error);
    }
  }

  async #fetchInto(artifact: Artifact): Promise<void> {
    // The namespace may have been deleted meanwhile, and its name reused.
    if (!(await this.#isWanted(artifact))) return;
    const who: Principal = { namespace: artifact.namespace, credential: 'fetch' };
    const upload = await this.#uploads.begin(who);
    try {
      await this.#receive(who, artifact, upload);
      if (!(await this.#isWanted(artifact))) throw new Refusal('not_found', 'the artifact was deleted');
      const { type, name, sourceUrl, namespace } = artifact;
      // Sharing was authorized when the fetch was requested, and the artifact already has the flag.
      const target = { type, name, namespace, sourceUrl, shared: false, maxVersions: undefined };
      await this.#artifacts.convert(who, upload.id, target, { size: undefined, digests: [] });
    } catch (error) {
      await this.#uploads.drop({ namespace: SYSTEM, credential: 'fetch' }, upload.id).catch(() => undefined);
      throw error;
    }
  }

  async #isWanted({ uuid }: Artifact): Promise<boolean> {
    const now = await this.#engine.catalog.artifacts.get(uuid);
    return now !== undefined && now.state !== 'deleted';
  }

  /** Receives the whole content, resuming after broken connections. */
  async #receive(who: Principal, artifact: Artifact, upload: Upload): Promise<void> {
    let etag: string | undefined;
    let offset = 0;
    for (let attempt = 1; ;) {
      const began = offset;
      try {
        const opened = await this.#source!.open(artifact.sourceUrl, offset, etag, this.#stop.signal);
        try {
          etag = opened.etag;
          if (opened.restarted && offset > 0) {
            await this.#uploads.truncate(who, upload.id, 0);
            offset = 0;
          }
          await this.#uploads.append(who, upload.id, opened.body, { at: offset, digests: [] });
          return;
        } finally {
          // A refused append does not read the body, which would keep the connection open.
          opened.body.stop(new Refusal('interrupted', 'the server stopped reading the body'));
        }
      } catch (error) {
        offset = (await this.#uploads.look(who, upload.id)).offset;
        attempt = offset > began ? 1 : attempt + 1;
        const hopeless = error instanceof Refusal && error.reason !== 'interrupted' && error.reason !== 'unavailable';
        if (hopeless || attempt > tries || this.#stop.signal.aborted) throw error;
        await sleep(firstWait * 2 ** (attempt - 1), undefined, { signal: this.#stop.signal }).catch(() => undefined);
      }
    }
  }

  async #fail(artifact: Artifact, error: unknown): Promise<void> {
    const fault = error instanceof Refusal ? error.message : 'the fetch failed';
    const event: Event = {
      subject: 'artifact',
      id: artifact.uuid,
      at: this.#clock.now(),
      type: 'status',
      message: `fetch failed: ${fault}`,
      duration: null,
      extra: {},
    };
    await this.#engine.catalog.artifacts.fail(artifact.uuid, fault, event);
  }
}
