/** Artifacts: names with numbered versions. */
import { printDigestField, parseDigest } from '../kit/digest.ts';
import { listed } from './listing.ts';
import { Metadata } from './metadata.ts';
import { slowIdle, type Session } from './session.ts';
import { view, views, type ArtifactView, type EventView, type VersionView } from './views.ts';

export interface ArtifactFilter {
  readonly name?: string | undefined;
  readonly type?: string | undefined;
  readonly namespace?: string | undefined;
}

/** The content of a version: an upload, or a blob that the server has. */
export type ArtifactContent = { readonly upload: string } | { readonly blob: string };

export interface PublishOptions {
  /** `image` (the default) or `other`. */
  readonly type?: string | undefined;
  readonly shared?: boolean | undefined;
  /** Namespace that will own the artifact; it must trust the caller's. */
  readonly namespace?: string | undefined;
  /** Number of versions to keep; 0 keeps all. */
  readonly maxVersions?: number | undefined;
  readonly sourceUrl?: string | undefined;
  /** Expected size and digest; on a mismatch the server refuses and leaves the upload unchanged. */
  readonly size?: number | undefined;
  readonly sha512?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class Artifacts {
  readonly #session: Session;
  readonly metadata: Metadata;

  constructor(session: Session) {
    this.#session = session;
    this.metadata = new Metadata(session, ['artifacts']);
  }

  /** Artifacts that the caller may see. */
  list(filter: ArtifactFilter = {}, signal?: AbortSignal): AsyncIterable<ArtifactView> {
    return listed(this.#session, 'artifact', ['artifacts'], { ...filter }, signal);
  }

  /** @param ref name or uuid */
  async get(ref: string, signal?: AbortSignal): Promise<ArtifactView> {
    return view('artifact', await this.#session.json({ method: 'GET', path: ['artifacts', ref], signal }));
  }

  /** Versions, oldest first. */
  async versions(ref: string, signal?: AbortSignal): Promise<VersionView[]> {
    return views('version', await this.#session.json({ method: 'GET', path: ['artifacts', ref, 'versions'], signal }));
  }

  /**
   * Makes `content` the newest version of the artifact `name`. Idempotent: repeating it returns the same version.
   *
   * @throws StowageError digest_mismatch or conflict if the bytes differ from `size` or `sha512`
   */
  async publish(name: string, content: ArtifactContent, options: PublishOptions = {}): Promise<ArtifactView> {
    const { type, shared, namespace, maxVersions, sourceUrl, size, sha512, signal } = options;
    const digest = sha512 === undefined ? undefined : parseDigest('sha512', sha512);
    return view(
      'artifact',
      await this.#session.json({
        method: 'POST',
        path: ['artifacts', 'upload', name],
        headers: digest ? { 'repr-digest': printDigestField(digest) } : {},
        json: {
          ...('upload' in content ? { upload_uuid: content.upload } : { blob_uuid: content.blob }),
          source_url: sourceUrl ?? null,
          shared: shared ?? false,
          namespace: namespace ?? null,
          ...(type === undefined ? {} : { artifact_type: type }),
          ...(maxVersions === undefined ? {} : { max_versions: maxVersions }),
          ...(size === undefined ? {} : { size }),
        },
        signal,
        idle: slowIdle,
      }),
    );
  }

  /** Points the label `name`, or `namespace/name`, at a blob. */
  async label(
    name: string,
    blob: string,
    options: { readonly maxVersions?: number | undefined } = {},
  ): Promise<ArtifactView> {
    const json = {
      blob_uuid: blob,
      ...(options.maxVersions === undefined ? {} : { max_versions: options.maxVersions }),
    };
    return view('artifact', await this.#session.json({ method: 'POST', path: ['label', ...name.split('/')], json }));
  }

  /** Asks the server to fetch `url` in the background. */
  async fetch(
    url: string,
    options: { readonly shared?: boolean; readonly namespace?: string } = {},
  ): Promise<ArtifactView> {
    const json = { url, shared: options.shared ?? false, namespace: options.namespace ?? null };
    return view('artifact', await this.#session.json({ method: 'POST', path: ['artifacts'], json, once: true }));
  }

  async remove(ref: string): Promise<void> {
    await this.#session.json({ method: 'DELETE', path: ['artifacts', ref] });
  }

  async removeVersion(ref: string, index: number): Promise<ArtifactView> {
    return view(
      'artifact',
      await this.#session.json({ method: 'DELETE', path: ['artifacts', ref, 'versions', index] }),
    );
  }

  /** Keeps at most `count` versions; older ones are removed at once. 0 keeps all. */
  async setMaxVersions(ref: string, count: number): Promise<void> {
    await this.#session.json({ method: 'POST', path: ['artifacts', ref, 'versions'], json: { max_versions: count } });
  }

  async share(ref: string): Promise<ArtifactView> {
    return view('artifact', await this.#session.json({ method: 'POST', path: ['artifacts', ref, 'share'] }));
  }

  async unshare(ref: string): Promise<ArtifactView> {
    return view('artifact', await this.#session.json({ method: 'POST', path: ['artifacts', ref, 'unshare'] }));
  }

  /** Events, newest first. */
  async events(ref: string, options: { readonly type?: string; readonly limit?: number } = {}): Promise<EventView[]> {
    const query = { event_type: options.type, limit: options.limit };
    return views('event', await this.#session.json({ method: 'GET', path: ['artifacts', ref, 'events'], query }));
  }
}
