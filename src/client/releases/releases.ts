/** Releases: versions of products and their artifacts, for those who publish them and those who fetch them. */
import { wallClock, type Clock } from '../../kit/clock.ts';
import { into, sourceOf, type Pullable, type Pushable } from '../ends.ts';
import { StowageError } from '../error.ts';
import { webPlatform, type Platform } from '../platform.ts';
import { fetchArtifact, type Fetched, type ReleaseDownloadOptions } from './download.ts';
import { Uploading, type Released, type ReleaseUploadOptions } from './upload.ts';
import { artifactOf, releaseOf, type ReleaseArtifactView, type ReleaseView } from './views.ts';
import { briefly, patiently, type Patience } from '../retry.ts';
import { Session } from '../session.ts';

export type { ReleaseArtifactView, ReleaseView } from './views.ts';
export type { Released, ReleaseUploadOptions } from './upload.ts';
export type { ReleaseDownloadOptions } from './download.ts';

/** An operator's admin key or JWT, or a customer's API key. */
export type ReleaseCredentials =
  { readonly adminKey: string } | { readonly token: string } | { readonly apiKey: string };

export interface ReleasesOptions {
  /** Where the server is. */
  readonly url: string;
  readonly credentials: ReleaseCredentials;
  readonly clock?: Clock;
  readonly platform?: Platform;
  /** How long single questions are repeated, and how long transfers are. */
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

  /** @throws TypeError when the address is none. */
  constructor({ url, credentials, clock = wallClock, platform = webPlatform(), patience = {} }: ReleasesOptions) {
    this.#platform = platform;
    this.#patience = patience.transfers ?? patiently;
    this.#session = new Session({
      url,
      credentials: { headers: headersOf(credentials) },
      transport: platform.transport,
      clock,
      patience: patience.calls ?? briefly,
    });
  }

  /** Makes a release, which is a draft. One that is there already is answered as it is. */
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
      return { ...releaseOf(made), created: true };
    } catch (error) {
      if (!(error instanceof StowageError) || error.status !== 409) throw error;
      const found = await this.find(product, version, signal);
      if (!found) throw error;
      return { ...found, created: false };
    }
  }

  /** A release with its artifacts, by its id. */
  async get(id: string, signal?: AbortSignal): Promise<ReleaseView> {
    return releaseOf(await this.#session.json({ method: 'GET', path: ['v1', 'releases', id], signal }));
  }

  /** A release with its artifacts; undefined where there is none that the caller may see. */
  async find(product: string, version: string, signal?: AbortSignal): Promise<ReleaseView | undefined> {
    for await (const release of this.list({ product, version }, signal)) return release;
    return undefined;
  }

  /** Those that the caller may see, with their artifacts; newest first. */
  async *list(filter: ReleaseFilter = {}, signal?: AbortSignal): AsyncIterable<ReleaseView> {
    const { product, version, status } = filter;
    for (let cursor: string | undefined; ;) {
      const query = { product, version, status, cursor, include_artifacts: 'true' };
      const page = (await this.#session.json({ method: 'GET', path: ['v1', 'releases'], query, signal })) as {
        readonly releases?: unknown;
        readonly next_cursor?: unknown;
      } | null;
      if (!Array.isArray(page?.releases)) throw new StowageError('protocol', 'the answer is not a list of releases');
      for (const release of page.releases) yield releaseOf(release);
      if (typeof page.next_cursor !== 'string') return;
      cursor = page.next_cursor;
    }
  }

  /** Lets customers have the release; one that they may have already is answered as it is. */
  async publish(id: string, signal?: AbortSignal): Promise<ReleaseView> {
    try {
      return releaseOf(
        await this.#session.json({ method: 'POST', path: ['v1', 'releases', id, 'publish'], headers: once(), signal }),
      );
    } catch (error) {
      // Another publisher was faster, or our answer was lost.
      const seen =
        error instanceof StowageError && (error.status === 400 || error.status === 409)
          ? await this.get(id, signal)
          : undefined;
      if (seen?.status === 'published') return seen;
      throw error;
    }
  }

  /**
   * Makes a file an artifact of a release: uploads it, going on where an earlier try was cut off, and registers it. The server has
   * then found that it has exactly these bytes.
   *
   * @throws StowageError source_changed, digest_mismatch; malformed for what is empty, or can be read only once.
   */
  async upload(release: string, what: Pushable, options: ReleaseUploadOptions): Promise<Released> {
    const source = await sourceOf(this.#platform, what);
    try {
      return await new Uploading({
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

  /** Fetches an artifact with a customer's key, going on where an earlier try was cut off, and checks its bytes. */
  async download(artifact: ReleaseArtifactView, to: Pullable, options: ReleaseDownloadOptions = {}): Promise<Fetched> {
    const { transport, newHash } = this.#platform;
    return await into(this.#platform, to, (sink) =>
      fetchArtifact({
        session: this.#session,
        transport,
        newHash,
        patience: this.#patience,
        artifact: artifactOf(artifact),
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

/** A lost answer may be asked for again. */
function once(): Record<string, string> {
  return { 'idempotency-key': crypto.randomUUID() };
}
