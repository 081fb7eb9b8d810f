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

/** Bytes from elsewhere. */
export interface Source {
  /** @throws Refusal `malformed` or `forbidden` for a URL that will never be fetched. */
  check(url: string): void;
  /**
   * Opens the URL at `offset`. `etag` is that of an earlier part: when what lies there changed, `restarted` is true
   * and the body begins at 0.
   *
   * @throws Refusal `not_found` or `forbidden` when trying again will not help; anything else may pass.
   */
  open(
    url: string,
    offset: number,
    etag: string | undefined,
    signal: AbortSignal,
  ): Promise<{ body: Body; restarted: boolean; etag: string | undefined; length: number | undefined }>;
}

/** Tries of one fetch, and the wait before each further one in milliseconds, doubled every time. */
const tries = 6;
const firstWait = 1000;
/** Told of a failure that no caller waits for. */
export type OnFault = (what: string, error: unknown) => void;

/** Fetches under way at once. */
const width = 4;

/** Fetches artifacts by URL in the background, through the same uploads that everyone uses. */
export class Fetching {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #uploads: Uploads;
  readonly #artifacts: Artifacts;
  readonly #source: Source | undefined;
  readonly #onFault: OnFault;
  readonly #stop = new AbortController();
  readonly #running = new Map<string, Promise<void>>();
  readonly #queue: Artifact[] = [];

  constructor(parts: {
    engine: Engine;
    clock: Clock;
    uploads: Uploads;
    artifacts: Artifacts;
    source: Source | undefined;
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
   * Records an artifact for `url` and begins to fetch it; the artifact is in state `initial` until the bytes are there.
   *
   * @throws Refusal `malformed` or `forbidden` for a URL that will never be fetched.
   */
  async begin(who: Principal, url: string, facts: { shared: boolean; namespace: string | null }): Promise<Artifact> {
    if (!this.#source) throw new Refusal('forbidden', 'this server does not fetch from URLs');
    this.#source.check(url);
    const artifact = await this.#artifacts.begin(who, url, facts);
    if (!this.#running.has(artifact.uuid)) this.#enqueue(artifact);
    return artifact;
  }

  /** Takes up what an earlier run of the server left unfetched. */
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

  /** Fetches one artifact. Whatever goes wrong, from the first step on, is the fault of this fetch alone. */
  async #fetch(artifact: Artifact): Promise<void> {
    try {
      await this.#fetchInto(artifact);
    } catch (error) {
      // A server going down is no fault of the artifact: the next start takes it up again.
      if (!this.#stop.signal.aborted) await this.#fail(artifact, error);
    }
  }

  async #fetchInto(artifact: Artifact): Promise<void> {
    // Its namespace may have been deleted while it waited, and another made of that name.
    if (!(await this.#isWanted(artifact))) return;
    const who: Principal = { namespace: artifact.namespace, credential: 'fetch' };
    const upload = await this.#uploads.begin(who);
    try {
      await this.#receive(who, artifact, upload);
      if (!(await this.#isWanted(artifact))) throw new Refusal('not_found', 'the artifact was deleted');
      const { type, name, sourceUrl, namespace } = artifact;
      // The right to share was checked when the fetch was asked for, and the artifact already says so.
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

  /** Receives the whole of it, going on where a broken connection left off. */
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
          // An append that is refused before it reads would leave the connection open.
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
