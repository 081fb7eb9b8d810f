/** Releases: versions of products and their artifacts, for publishers and downloaders. */
import { wallClock, type Clock } from '../../kit/clock.ts';
import { withSink, uploadSourceOf, type Pullable, type Pushable } from '../source-sink.ts';
import { StowageError } from '../error.ts';
import { webPlatform, type Platform } from '../platform.ts';
import { fetchArtifact, type Fetched, type ReleaseDownloadOptions } from './download.ts';
import { ReleaseUpload, type Released, type ReleaseUploadOptions } from './upload.ts';
import { readReleaseArtifact, readRelease, type ReleaseArtifactView, type ReleaseView } from './views.ts';
import { callPatience, transferPatience, type Patience } from '../retry.ts';
import { Session } from '../session.ts';

export type { ReleaseArtifactView, ReleaseView } from './views.ts';
export type { Released, ReleaseUploadOptions } from './upload.ts';
export type { ReleaseDownloadOptions } from './download.ts';

/** An operator's admin key or JWT, or a customer's API key. */
export type ReleaseCredentials =
  { readonly adminKey: string } | { readonly token: string } | { readonly apiKey: string };

export interface ReleasesOptions {
  /** Base URL of the server. */
  readonly url: string;
  readonly credentials: ReleaseCredentials;
  readonly clock?: Clock;
  readonly platform?: Platform;
  /** Retry limits of single requests and of transfers. */
  readonly patience?: { readonly calls?: Patience; readonly transfers?: Patience };
}

export interface ReleaseFilter {
  readonly product?: string | undefined;
  readonly version?: string | undefined;
  readonly status?: string | undefined;
}

export class Releases {
  readonly #session: Session;
  readonly #platform: Platform;
  readonly #patience: Patience;

  /** @throws TypeError if the URL is invalid */
  constructor({ url, credentials, clock = wallClock, platform = webPlatform(), patience = {} }: ReleasesOptions) {
    this.#platform = platform;
    this.#patience = patience.transfers ?? transferPatience;
    this.#session = new Session({
      url,
      credentials: { headers: headersOf(credentials) },
      transport: platform.transport,
      clock,
      patience: patience.calls ?? callPatience,
    });
  }

  /** Creates a draft release. Returns the existing release if there is one. */
  async create(
    product: string,
    version: string,
    signal?: AbortSignal,
  ): Promise<ReleaseView & { readonly created: boolean }> {
    try {
      const made = await this.#session.json({
        method: 'POST',
        path: ['v1', 'releases'],
        json: { product, version },
        headers: once(),
        signal,
      });
      return { ...readRelease(made), created: true };
    } catch (error) {
      if (!(error instanceof StowageError) || error.status !== 409) throw error;
      const found = await this.find(product, version, signal);
      if (!found) throw error;
      return { ...found, created: false };
    }
  }

  /** A release with its artifacts, by id. */
  async get(id: string, signal?: AbortSignal): Promise<ReleaseView> {
    return readRelease(await this.#session.json({ method: 'GET', path: ['v1', 'releases', id], signal }));
  }

  /** A release with its artifacts; undefined if the caller sees none. */
  async find(product: string, version: string, signal?: AbortSignal): Promise<ReleaseView | undefined> {
    for await (const release of this.list({ product, version }, signal)) return release;
    return undefined;
  }

  /** Releases that the caller may see, with artifacts, newest first. */
  async *list(filter: ReleaseFilter = {}, signal?: AbortSignal): AsyncIterable<ReleaseView> {
    const { product, version, status } = filter;
    for (let cursor: string | undefined; ;) {
      const query = { product, version, status, cursor, include_artifacts: 'true' };
      const page = (await this.#session.json({ method: 'GET', path: ['v1', 'releases'], query, signal })) as {
        readonly releases?: unknown;
        readonly next_cursor?: unknown;
      } | null;
      if (!Array.isArray(page?.releases)) throw new StowageError('protocol', 'the answer is not a list of releases');
      for (const release of page.releases) yield readRelease(release);
      if (typeof page.next_cursor !== 'string') return;
      cursor = page.next_cursor;
    }
  }

  /** Publishes the release to customers. Returns a published release unchanged. */
  async publish(id: string, signal?: AbortSignal): Promise<ReleaseView> {
    try {
      return readRelease(
        await this.#session.json({ method: 'POST', path: ['v1', 'releases', id, 'publish'], headers: once(), signal }),
      );
    } catch (error) {
      // Another publisher was faster, or the response to this request was lost.
      const seen =
        error instanceof StowageError && (error.status === 400 || error.status === 409)
          ? await this.get(id, signal)
          : undefined;
      if (seen?.status === 'published') return seen;
      throw error;
    }
  }

  /**
   * Uploads a file as an artifact of a release and registers it. Resumes an interrupted upload. The server verifies
   * size and checksum.
   *
   * @throws StowageError source_changed, digest_mismatch; malformed if the source is empty or can be read only once
   */
  async upload(release: string, what: Pushable, options: ReleaseUploadOptions): Promise<Released> {
    const source = await uploadSourceOf(this.#platform, what);
    try {
      return await new ReleaseUpload({
        session: this.#session,
        platform: this.#platform,
        patience: this.#patience,
        release: await this.get(release, options.signal),
        source,
        options,
      }).run();
    } finally {
      await source.close();
    }
  }

  /** Downloads an artifact with a customer's key and checks its bytes. Resumes an interrupted download. */
  async download(artifact: ReleaseArtifactView, to: Pullable, options: ReleaseDownloadOptions = {}): Promise<Fetched> {
    const { transport, newHash } = this.#platform;
    return await withSink(this.#platform, to, (sink) =>
      fetchArtifact({
        session: this.#session,
        transport,
        newHash,
        patience: this.#patience,
        artifact: readReleaseArtifact(artifact),
        sink,
        options,
      }),
    );
  }
}

function headersOf(credentials: ReleaseCredentials): Record<string, string> {
  if ('adminKey' in credentials) return { 'x-releasy-admin-key': credentials.adminKey };
  return 'token' in credentials
    ? { authorization: `Bearer ${credentials.token}` }
    : { 'x-releasy-api-key': credentials.apiKey };
}

/** An idempotency key, so that the request can be retried after a lost response. */
function once(): Record<string, string> {
  return { 'idempotency-key': crypto.randomUUID() };
}
